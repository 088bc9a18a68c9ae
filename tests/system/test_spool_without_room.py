"""The spool's disk is full: nothing is lost, admission refuses, and it goes on with new room."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.fixtures_daemon import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a small file system is mounted")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fills the disk up to ``leave`` bytes; the file to delete for room."""
    ballast = disk / "ballast"
    found = os.statvfs(disk)
    ballast.write_bytes(bytes(max(0, found.f_bavail * found.f_frsize - leave)))
    return ballast


def test_a_recording_waits_for_room_and_is_stored_whole(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    small_disk: Path,
) -> None:
    daemon = make_daemon(spool_dir=small_disk / "spool", raw_upload="always", min_free="4MB")
    daemon.spool = small_disk / "spool"
    daemon.start()
    name = daemon.admit("k-1")[1]["recording_name"]
    ballast = fill(small_disk, leave=MIB)
    source = recordings("v155-vnc.guac")
    guacd_writer(source, daemon.recordings / name).wait_written()
    failed = wait_until(lambda: daemon.events("recording.cut_failed"), "there is no room")[0]
    assert "No space left" in failed["error"]
    assert (daemon.recordings / name).exists()
    refused = wait_until(lambda: refusal(daemon), "admission refuses")
    assert refused == "disk_free_low"

    ballast.unlink()
    wait_until(lambda: daemon.events("clip.stored"), "it goes on by itself")
    wait_until(daemon.idle, "its clip is made, even if it went up raw first")
    clips = daemon.folder / "clips"
    assert (clips / "k-1.0000.guac").read_bytes() == source.read_bytes()
    assert (clips / "k-1.0000.mp4").exists()
    wait_until(daemon.spool_is_empty, "nothing is left")
    wait_until(lambda: not refusal(daemon), "admission allows again")


def refusal(daemon: DaemonProcess) -> str:
    """Asked so that nothing is promised: a promise that was made stands for a while."""
    return str(daemon.ask("GET", "/v1/health")[1]["reason"] or "")
