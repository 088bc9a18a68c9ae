"""The spool's disk is full: nothing is lost, admission refuses, and it goes on with new room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures_daemon import wait_until
from tests.small_disks import fill, mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    with mounted(tmp_path / "small", "size=16m", of="A SPOOL WITHOUT ROOM") as folder:
        yield folder


def test_a_recording_waits_for_room_and_is_stored_whole(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    small_disk: Path,
) -> None:
    daemon = make_daemon(spool_dir=small_disk / "spool", raw_upload="always", min_free="4MB")
    daemon.spool = small_disk / "spool"
    daemon.start()
    name = daemon.allowed_name("k-1")
    filler = fill(small_disk, leave=MIB)
    source = recordings("v155-vnc.guac")
    guacd_writer(source, daemon.recordings / name).wait_written()
    failed = wait_until(lambda: daemon.events("recording.cut_failed"), "there is no room")[0]
    assert "No space left" in failed["error"]
    assert (daemon.recordings / name).exists()
    refused = wait_until(lambda: refusal(daemon), "admission refuses")
    assert refused == "disk_free_low"

    filler.unlink()
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
