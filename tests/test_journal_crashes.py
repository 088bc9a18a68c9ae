"""What was said to be committed is there: after kill -9, a power cut, a full disk, a bad fsync."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kasm_recd.errors import DiskFull
from kasm_recd.journal import Journal, read_only
from tests.small_disks import mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kasm_recd.session import Session

ROOT = Path(__file__).parent.parent


def child_argv(path: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "tests.journal_child", str(path), *options]


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A child that writes without end; it is dead afterwards."""
    with subprocess.Popen(child_argv(path), cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def committed(child: subprocess.Popen[str], count: int) -> list[str]:
    """The first ``count`` sessions that the child says it committed."""
    assert child.stdout is not None
    lines = [child.stdout.readline().split() for _ in range(count)]
    assert {line[0] for line in lines} == {"ok"}
    return [line[1] for line in lines]


def said(output: str, word: str) -> list[str]:
    return [line.split()[1] for line in output.splitlines() if line.startswith(word)]


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Path]:
    """A mounted ext4 file system of its own, that can be cut from its power."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4") or not shutil.which("xfs_io"):
        pytest.skip("a power cut needs root, e2fsprogs (mkfs.ext4) and xfsprogs (xfs_io)")
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(64_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mount = ["mount", "-o", "loop", str(image), str(folder)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("a power cut needs a loop device")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    with mounted(tmp_path / "tiny", "size=1m", of="A JOURNAL ON A FULL DISK") as folder:
        yield folder


@pytest.mark.slow
def test_after_kill_9_every_reported_commit_is_there(journal_path: Path) -> None:
    reported: list[str] = []
    for n in (1, 37, 400):
        folder = journal_path.parent / str(n)
        folder.mkdir()
        path = folder / "journal.db"
        with writing(path) as child:
            reported = committed(child, n + random.Random(n).randrange(10))
            child.kill()
            child.wait(10)

        with read_only(path) as reader:
            missing = [kasm_id for kasm_id in reported if reader.session(kasm_id) is None]
        assert missing == []


@pytest.mark.slow
async def test_after_a_power_cut_every_reported_commit_is_there(ext4: Path) -> None:
    path = ext4 / "journal.db"
    with writing(path) as child:
        reported = committed(child, 300)
        subprocess.run(["xfs_io", "-x", "-c", "shutdown", ext4], check=True)
        child.kill()
        child.wait(10)
    image = ext4.parent / "disk.img"
    subprocess.run(["umount", ext4], check=True)
    subprocess.run(["mount", "-o", "loop", image, ext4], check=True)

    journal = Journal.open(path)
    missing = [kasm_id for kasm_id in reported if journal.session(kasm_id) is None]
    await journal.close()
    assert missing == []


async def test_a_full_disk_fails_the_request_and_leaves_nothing_of_it(
    tiny_disk: Path, a_session: Callable[..., Session]
) -> None:
    journal = Journal.open(tiny_disk / "journal.db")
    kept = await journal.admit(a_session("k-kept"))
    ballast = tiny_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                break

    with pytest.raises(DiskFull, match="no room"):
        await journal.admit(a_session("k-refused", username="x" * 1_000_000))
    assert journal.session("k-refused") is None
    assert journal.session("k-kept") == kept

    ballast.unlink()
    assert (await journal.admit(a_session("k-refused"))).username == "jiří"
    await journal.close()
    with read_only(tiny_disk / "journal.db") as reader:
        assert reader.session("k-refused") is not None


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 2, 6, 9])
def test_what_a_bad_fsync_failed_did_not_happen_even_after_a_crash(
    journal_path: Path, nth: int
) -> None:
    if not shutil.which("strace"):
        pytest.skip("a bad fsync needs strace")
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync,fdatasync"),
            *("-e", f"inject=fsync,fdatasync:error=EIO:when={nth}"),
            *child_argv(journal_path, "--brokers", "5", "--each", "8", "--die"),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    succeeded, failed = said(done.stdout, "ok"), said(done.stdout, "failed")
    if not failed:  # the fault hit the opening
        assert "JournalCorrupt" in done.stderr
        return

    with read_only(journal_path) as reader:
        assert [kasm_id for kasm_id in succeeded if reader.session(kasm_id) is None] == []
        assert [kasm_id for kasm_id in failed if reader.session(kasm_id) is not None] == []
