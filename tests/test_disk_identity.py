from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk
from kasm_recd.recording import Identity

if TYPE_CHECKING:
    from tests.fixtures_guacd import AsNobody

KNOWN = Identity(device=1, inode=2, birth_ns=3, head_length=10, head_sha256="a")


def test_a_status_is_what_stat_says_and_has_the_birth_time(tmp_path: Path) -> None:
    before = time.time_ns()
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5000)
    os.truncate(path, 1_000_000)  # a hole
    expected = path.stat()

    status = disk.status_of(path)

    assert status.file[:2] == (expected.st_dev, expected.st_ino)
    assert status.size == expected.st_size == 1_000_000
    assert status.allocated == expected.st_blocks * 512 < 100_000
    assert status.links == 1
    assert status.modified_ns == expected.st_mtime_ns
    assert status.change_ns == expected.st_ctime_ns
    assert before - 10**8 <= status.birth_ns <= expected.st_ctime_ns
    assert status.regular


def test_a_birth_time_stays_when_the_file_is_renamed_and_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    born = disk.status_of(path).birth_ns

    path.write_bytes(b"more")
    moved = path.rename(tmp_path / "moved")

    assert disk.status_of(moved).birth_ns == born


def test_the_status_of_a_symlink_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert not disk.status_of(tmp_path / "link").regular
    with pytest.raises(OSError, match="symbolic links"):
        disk.open_to_look(tmp_path / "link")


def test_a_status_that_cannot_be_had_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        disk.status_of(tmp_path / "gone")


def test_looking_waits_for_no_writer_and_hides_from_children(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    descriptor = disk.open_to_look(tmp_path / "pipe")
    try:
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_looking_at_somebody_elses_file_does_without_noatime(as_nobody: AsNobody) -> None:
    with as_nobody():
        descriptor = disk.open_to_look(Path("/etc/passwd"))
    os.close(descriptor)


def test_an_identity_has_the_hash_of_the_first_4096_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 4096 + b"b" * 4096)

    identity = disk.identify(path)

    assert identity.head_length == 4096
    assert identity.head_sha256 == hashlib.sha256(b"a" * 4096).hexdigest()
    assert (identity.device, identity.inode, identity.birth_ns) == disk.status_of(path).file


def test_a_head_may_be_asked_shorter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")
    assert disk.identify(path, head_length=3).head_sha256 == hashlib.sha256(b"abc").hexdigest()


def test_a_file_that_has_grown_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"short")
    known = disk.identify(path)
    with path.open("ab") as file:
        file.write(b" and more")

    assert disk.is_same_file(known, disk.identify(path))
    assert disk.is_same_file(known, disk.identify(path, head_length=known.head_length))


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (KNOWN, True),
        (replace(KNOWN, device=9), False),
        (replace(KNOWN, inode=9), False),
        (replace(KNOWN, birth_ns=9), False),
        (replace(KNOWN, head_sha256="b"), False),
        (replace(KNOWN, head_length=11, head_sha256="b"), True),
        (replace(KNOWN, head_length=9, head_sha256="b"), False),
    ],
)
def test_device_inode_birth_and_head_make_the_file(*, found: Identity, same: bool) -> None:
    assert disk.is_same_file(KNOWN, found) is same


def test_an_inode_number_that_comes_back_is_another_file(tmp_path: Path) -> None:
    """ext4 gives a deleted file's inode to the next one at once; the birth time tells."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    known = disk.identify(path)
    path.unlink()
    time.sleep(0.02)  # birth times are as coarse as the kernel's tick
    path.write_bytes(b"one")

    assert not disk.is_same_file(known, disk.identify(path))
