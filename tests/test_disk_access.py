"""Who may make a file in a folder, held against the kernel: a child with those ids tries it."""

from __future__ import annotations

import itertools
import json
import os
import random
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kasm_recd.disk.access import ACL, GROUP, GROUP_OBJ, MASK, USER, Ids, obstacle
from tests.small_disks import mounted

if TYPE_CHECKING:
    from pathlib import Path

OWNER, MEMBER, NAMED, STRANGER = 4001, 4002, 4003, 4004
OWNERS, NAMED_GROUP = 5001, 5002
WHO = (
    Ids(OWNER, frozenset({OWNERS})),
    Ids(OWNER, frozenset({6000})),
    Ids(MEMBER, frozenset({OWNERS})),
    Ids(MEMBER, frozenset({6000, OWNERS, NAMED_GROUP})),
    Ids(NAMED, frozenset({6000})),
    Ids(STRANGER, frozenset({NAMED_GROUP})),
    Ids(STRANGER, frozenset({6000})),
    Ids(0, frozenset({0})),
)
TRIES = """
import json, os, sys
uid, gids, folders = json.load(sys.stdin)
os.setgroups(gids); os.setresgid(*gids[:1] * 3); os.setresuid(uid, uid, uid)
found = []
for folder in folders:
    try:
        os.close(os.open(folder + "/new", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.unlink(folder + "/new")
        found.append(True)
    except OSError:
        found.append(False)
print(json.dumps(found))
"""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="NOTHING OF GUACD'S ACCESS WAS HELD AGAINST THE KERNEL: only root becomes others",
)


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """A folder that everybody reaches."""
    for folder in [tmp_path, *list(tmp_path.parents)[:-2]]:
        folder.chmod(0o755)
    return tmp_path


def acl(owner: int, named: int, group: int, named_group: int, mask: int, other: int) -> bytes:
    none = 0xFFFFFFFF
    entries = (
        (0x01, owner, none),
        (USER, named, NAMED),
        (GROUP_OBJ, group, none),
        (GROUP, named_group, NAMED_GROUP),
        (MASK, mask, none),
        (0x20, other, none),
    )
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def kernel_says(who: Ids, folders: list[Path]) -> list[bool]:
    child = subprocess.run(
        [sys.executable, "-I", "-c", TRIES],
        input=json.dumps([who.uid, sorted(who.gids), list(map(str, folders))]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[bool] = json.loads(child.stdout)
    return found


@needs_root
def test_the_kernel_agrees_about_modes_and_acls(open_path: Path) -> None:
    chance = random.Random(4)
    folders = []
    for number in range(250):
        folder = open_path / str(number)
        folder.mkdir()
        os.chown(folder, OWNER, OWNERS)
        folder.chmod(chance.randrange(0o1000))
        if number % 2:
            bits = [chance.choice((0, 1, 2, 3, 4, 7, 7)) for _ in range(6)]
            os.setxattr(folder, ACL, acl(*bits))
        folders.append(folder)
    agreed = 0
    for who in WHO:
        for folder, may in zip(folders, kernel_says(who, folders), strict=True):
            found = obstacle(folder, who)
            assert (found is None) == may, f"{who} {who.gids} in {found or folder}"
            agreed += may
    assert 250 < agreed < 250 * len(WHO) - 250, "both were met often"


@needs_root
def test_the_kernel_agrees_about_the_way_there(open_path: Path) -> None:
    folders = []
    for mode, inner in itertools.product((0o755, 0o750, 0o700, 0o710, 0o701, 0o777), repeat=2):
        folder = open_path / f"{mode:o}-{inner:o}" / "inner"
        folder.mkdir(parents=True)
        for path, bits in ((folder, inner), (folder.parent, mode)):
            os.chown(path, OWNER, OWNERS)
            path.chmod(bits)
        folders.append(folder)
    for who in WHO:
        told = [obstacle(folder, who) is None for folder in folders]
        assert told == kernel_says(who, folders)


@needs_root
def test_the_sentence_names_who_where_and_the_mode(open_path: Path) -> None:
    folder = open_path / "rec"
    folder.mkdir()
    os.chown(folder, OWNER, OWNERS)
    folder.chmod(0o750)
    assert obstacle(folder, WHO[-2]) == (
        f"uid {STRANGER} may not write into {folder} (drwxr-x--- {OWNER}:{OWNERS})."
    )
    (folder / "in").mkdir()
    told = obstacle(folder / "in", WHO[-2])
    assert told is not None
    assert f"may not pass through {folder} " in told
    assert f"does not reach {folder / 'in'}." in told


@needs_root
@pytest.mark.parametrize(
    ("options", "told"), [("ro", "mounted read-only"), ("nr_inodes=2", "no free inode")]
)
def test_a_file_system_that_takes_no_file_is_said_to(
    tmp_path: Path, options: str, told: str
) -> None:
    with mounted(tmp_path, f"size=1m,{options}", of="MOUNTS"):
        if "inodes" in options:
            (tmp_path / "last").touch()
        found = obstacle(tmp_path, Ids(0, frozenset({0})))
        with pytest.raises(OSError, match=r"Read-only|No space"):
            (tmp_path / "new").touch()
    assert found is not None
    assert told in found


def test_what_is_no_folder_or_not_there_is_said_to(tmp_path: Path) -> None:
    me = Ids(os.getuid(), frozenset({os.getgid()}))
    (tmp_path / "file").touch()
    assert obstacle(tmp_path, me) is None
    assert "is no folder" in str(obstacle(tmp_path / "file", me))
    assert "cannot be looked at" in str(obstacle(tmp_path / "missing", me))
