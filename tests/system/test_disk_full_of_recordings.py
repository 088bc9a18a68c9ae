"""One disk holds recordings and spool, and is full: room is made, and what was written is kept."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk
from tests.fixtures_daemon import DaemonProcess, wait_until
from tests.rolling import MB, make_recording, stored
from tests.small_disks import mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures_guacd import GuacdWriter

MIB = 1 << 20
BALLAST = 8 * MB
STEP = MB
SEGMENT = 4 * MB
SETTINGS = {
    "segment_size": SEGMENT,
    "min_free": "12MB",
    "ballast_size": BALLAST,
    "raw_upload": "always",
    "encoder": "native",
}


@pytest.fixture
def shared_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB, for the recordings and the spool."""
    with mounted(tmp_path / "shared", "size=32m", of="A DISK FULL OF RECORDINGS") as folder:
        yield folder


@pytest.fixture
def daemon(make_daemon: Callable[..., DaemonProcess], shared_disk: Path) -> DaemonProcess:
    """Not started; the clips go to another disk, as to a store."""
    spool, recordings = shared_disk / "spool", shared_disk / "recordings"
    recordings.mkdir()
    made = make_daemon(spool_dir=spool, recording_dir=recordings, **SETTINGS)
    made.spool, made.recordings = spool, recordings
    return made


@pytest.fixture
def filler(guacd_writer: Callable[..., GuacdWriter], tmp_path: Path) -> Callable[..., GuacdWriter]:
    """``filler(path)``: a session with more to say than the disk holds, that never notices."""
    source = tmp_path / "source.guac"
    source.write_bytes(make_recording(40 * MB))

    def fill(path: Path) -> GuacdWriter:
        copy = str(tmp_path / "written.guac")
        return guacd_writer(source, path, "--on-command", "--heedless", copy)

    return fill


def assert_all_is_stored_once(daemon: DaemonProcess, written: bytes) -> None:
    """The segments in a row, without gap or overlap, are what reached the recording."""
    wait_until(lambda: daemon.events("recording.finished"), "its end is seen", deadline_s=100)
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "all is stored", deadline_s=180)
    found = stored(daemon.folder / "clips", "k-1")
    bounds = [0, *(end for each in found for end in each.bounds)]
    assert bounds[:-1:2] == bounds[1::2], "without gap or overlap"
    assert b"".join(each.body for each in found) == written
    assert max(len(each.body) for each in found) <= SEGMENT
    assert sum(len(each.body) <= STEP for each in found) >= 4, "it was rolled in small steps"


def available(folder: Path) -> int:
    return disk.free(folder).available


def fill_while_nothing_is_cut(daemon: DaemonProcess, writer: GuacdWriter) -> None:
    """The disk is full before the daemon can begin a cut."""
    assert daemon.process is not None
    writer.write(100_000)
    wait_until(lambda: daemon.events("recording.appeared"), "it is seen, and its lock")
    daemon.process.send_signal(signal.SIGSTOP)
    size = writer.write("all")
    assert 20 * MB < size < 30 * MB
    assert available(daemon.spool) == 0


def test_the_ballast_is_given_up_the_disk_handed_back_and_the_ballast_made_again(
    daemon: DaemonProcess, filler: Callable[..., GuacdWriter], tmp_path: Path
) -> None:
    daemon.start()
    path = daemon.spool / "ballast"
    assert disk.status_of(path).allocated >= BALLAST
    writer = filler(daemon.recordings / daemon.allowed_name("k-1"))
    fill_while_nothing_is_cut(daemon, writer)
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGCONT)
    given_up = wait_until(lambda: daemon.events("disk.ballast_given_up"), "the ballast goes")[0]
    assert given_up["level"] == "critical"
    wait_until(
        lambda: disk.status_of(writer.path).allocated < SEGMENT,
        "the live file's disk comes back",
        deadline_s=120,
    )
    assert disk.is_locked(writer.path), "the session goes on"
    wait_until(lambda: len(daemon.events("disk.ballast_made")) == 2, "it is made again")
    assert disk.status_of(path).allocated >= BALLAST
    writer.write(2 * MB)
    writer.close()
    assert_all_is_stored_once(daemon, (tmp_path / "written.guac").read_bytes())
    assert len(daemon.events("disk.ballast_given_up")) == 1
    assert daemon.stop() == 0


def test_a_daemon_that_starts_on_a_full_disk_gives_the_ballast_up_before_it_writes(
    daemon: DaemonProcess, filler: Callable[..., GuacdWriter], tmp_path: Path
) -> None:
    daemon.start()
    writer = filler(daemon.recordings / daemon.allowed_name("k-1"))
    fill_while_nothing_is_cut(daemon, writer)
    daemon.kill()
    for name in ("journal.sqlite3-shm", "journal.sqlite3-wal"):
        assert (daemon.spool / name).exists()
    writer.close()
    daemon.start(wait=False)
    assert_all_is_stored_once(daemon, (tmp_path / "written.guac").read_bytes())
    names = [each["event"] for each in daemon.events()]
    last_start = len(names) - 1 - names[::-1].index("daemon.recovered")
    assert names.index("disk.ballast_given_up") < last_start
    assert names.count("disk.ballast_given_up") == 1
    assert not daemon.events("journal.corrupt")
    wait_until(lambda: len(daemon.events("disk.ballast_made")) == 2, "it is made again")


def test_a_journal_without_room_gives_the_ballast_up_before_the_next_start(
    daemon: DaemonProcess, filler: Callable[..., GuacdWriter], tmp_path: Path
) -> None:
    daemon.program = (str(tmp_path / "journal_first.py"),)
    (tmp_path / "journal_first.py").write_text(JOURNAL_FIRST)
    daemon.start()
    writer = filler(daemon.recordings / daemon.allowed_name("k-1"))
    fill_while_nothing_is_cut(daemon, writer)
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGCONT)
    wait_until(lambda: daemon.events("recorder.restarting"), "the journal has no room")
    names = [each["event"] for each in daemon.events()]
    assert names.index("disk.ballast_given_up") < names.index("recorder.restarting")
    assert daemon.events("disk.ballast_given_up")[0]["refused"] is True
    writer.close()
    assert_all_is_stored_once(daemon, (tmp_path / "written.guac").read_bytes())
    assert not daemon.events("journal.corrupt")


#: The daemon, with looks at the disk so rare, and uptime written so often, that the journal is the
#: first to find the disk full.
JOURNAL_FIRST = """
import sys
from kasm_recd import cli
from kasm_recd.recorder import looks
looks.LOOK_S = 3600.0
looks.UPTIME_S = 0.01
sys.exit(cli.main(sys.argv[1:]))
"""
