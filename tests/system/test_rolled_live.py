"""A session that goes on is cut, stored and handed back; nothing of it is lost or doubled."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk
from tests.fixtures_daemon import DaemonProcess, wait_until
from tests.rolling import MB, Stored, make_recording, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures_guacd import GuacdWriter

STANDINS = Path(__file__).parents[1] / "standins"
SETTINGS = {"segment_size": "1MB", "raw_upload": "always", "encoder": "native"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.guac"
    path.write_bytes(make_recording(3 * MB + 300_000, first_ms=int(time.monotonic() * 1000)))
    return path


@pytest.fixture
def rolling_daemon(make_daemon: Callable[..., DaemonProcess]) -> Callable[..., DaemonProcess]:
    """``rolling_daemon(fault="seal:after", **settings)``, not started."""

    def make(*, fault: str = "", **settings: object) -> DaemonProcess:
        daemon = make_daemon(**(SETTINGS | settings))
        daemon.program = (str(STANDINS / "faulty_daemon.py"),)
        daemon.faults = {
            "KASM_RECD_TEST_FAULT": fault,
        }
        return daemon

    return make


def clips_of(daemon: DaemonProcess, kasm_id: str = "k-1") -> list[Stored]:
    return stored(daemon.folder / "clips", kasm_id)


def assert_whole(daemon: DaemonProcess, source: Path, *, least: int = 3) -> list[Stored]:
    """Waits for the end of all work; the bodies in a row are the recording, each with its clip."""
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "all is stored and purged")
    found = clips_of(daemon)
    assert len(found) >= least
    assert b"".join(each.body for each in found) == source.read_bytes()
    bounds = [0, *(end for each in found for end in each.bounds)]
    assert bounds[:-1:2] == bounds[1::2], "without gap or overlap"
    assert [each.manifest["form"] for each in found] == ["clip"] * len(found)
    assert [bool(each.preamble) for each in found] == [False] + [True] * (len(found) - 1)
    wait_until(lambda: not list((daemon.spool / "preambles").iterdir()), "no preamble is left")
    wait_until(lambda: not list(daemon.recordings.iterdir()), "no recording is left")
    return found


def test_a_live_recording_is_stored_and_handed_back_while_guacd_writes(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
) -> None:
    daemon = rolling_daemon().start()
    name = daemon.allowed_name("k-1")
    writer = guacd_writer(source, daemon.recordings / name, "--on-command")
    writer.write(2 * MB + 200_000)
    wait_until(lambda: len(clips_of(daemon)) == 2, "two segments are stored")
    assert disk.is_locked(writer.path), "the session goes on"
    assert not daemon.events("recording.finished")
    status = disk.status_of(writer.path)
    assert status.size == 2 * MB + 200_000
    assert status.allocated < MB
    assert daemon.status()["bytes_pinned"] < 20_000
    writer.write("all")
    writer.close()
    found = assert_whole(daemon, source, least=4)
    begins = [each.manifest["start"] for each in found]
    ends = [each.manifest["end"] for each in found]
    assert begins[1:] == ends[:-1], "the timeline runs on"
    firsts = [each.manifest["segment"]["first_sync"] for each in found]
    lasts = [each.manifest["segment"]["last_sync"] for each in found]
    assert firsts[1:] == lasts[:-1]
    made = daemon.events("preamble.made")
    assert len(made) >= 3
    assert not [event for event in made if "cpu_s" in event], "replayed, though encoded natively"
    assert daemon.stop() == 0


#: The steps of a roll in their order; what follows one is what comes before the next.
POINTS = (
    ("worker:before", "sidecar:before", "publish:before", "seal:before"),
    ("punch:before", "punch:after", "replayed:before", "replayed:after"),
)


@pytest.mark.slow
@pytest.mark.parametrize("points", POINTS, ids=["until-sealed", "from-sealed"])
def test_kill_9_of_the_daemon_between_any_two_steps_of_a_roll_loses_and_doubles_nothing(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
    points: tuple[str, ...],
) -> None:
    """One live session, and a daemon that dies of each in turn."""
    source.write_bytes(make_recording(5 * MB, first_ms=int(time.monotonic() * 1000)))
    daemon = rolling_daemon().start()
    name = daemon.allowed_name("k-1")
    daemon.kill()
    writer = guacd_writer(source, daemon.recordings / name, "--on-command")
    for point in points:
        daemon.faults["KASM_RECD_TEST_FAULT"] = point
        daemon.start(wait=False)
        assert daemon.process is not None
        writer.write(MB)
        assert daemon.process.wait(60) == -9, point
        writer.write(10_000)
    daemon.faults["KASM_RECD_TEST_FAULT"] = ""
    daemon.start()
    assert disk.is_locked(writer.path)
    writer.write("all")
    writer.close()
    assert_whole(daemon, source, least=5)


WORKER_FAULTS = (
    *("cut:opened", "cut:unsynced", "cut:synced", "cut:told", "render:told"),
    *("replay:opened", "replay:unsynced", "replay:synced", "replay:told"),
)


@pytest.mark.slow
def test_kill_9_of_a_worker_between_any_two_steps_of_a_roll_loses_and_doubles_nothing(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
) -> None:
    daemon = rolling_daemon(encode_attempts=9)
    daemon.faults["KASM_RECD_TEST_WORKER_FAULTS"] = ",".join(WORKER_FAULTS)
    daemon.start()
    name = daemon.allowed_name("k-1")
    writer = guacd_writer(source, daemon.recordings / name, "--on-command")
    writer.write(2 * MB + 200_000)
    wait_until(lambda: len(clips_of(daemon)) == 2, "it is rolled after all")
    assert disk.is_locked(writer.path)
    writer.write("all")
    writer.close()
    assert_whole(daemon, source, least=4)
    told = [
        line["error"]
        for event in ("recording.cut_failed", "preamble.failed", "segment.encode_failed")
        for line in daemon.events(event)
    ]
    assert len(told) == len(WORKER_FAULTS)
    assert all("SIGKILL" in error for error in told)


def test_a_killed_writer_leaves_a_torn_tail_in_the_last_segment_alone(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
) -> None:
    daemon = rolling_daemon().start()
    name = daemon.allowed_name("k-1")
    writer = guacd_writer(source, daemon.recordings / name, "--on-command")
    writer.write(1_500_003)
    wait_until(lambda: len(clips_of(daemon)) == 1, "the first segment is stored")
    writer.kill()
    source.write_bytes(source.read_bytes()[:1_500_003])
    *others, last = assert_whole(daemon, source, least=2)
    assert [place["kind"] for place in last.manifest["damage"]] == ["torn"]
    assert not any(each.manifest["damage"] for each in others)


def test_sessions_that_run_on_and_end_while_the_daemon_is_down_are_cut_in_steps(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
) -> None:
    daemon = rolling_daemon().start()
    name = daemon.allowed_name("k-1")
    writer = guacd_writer(source, daemon.recordings / name, "--on-command")
    writer.write(1_200_000)
    wait_until(lambda: len(clips_of(daemon)) == 1, "the first segment is stored")
    daemon.kill()
    writer.write("all")
    writer.close()
    daemon.start()
    found = assert_whole(daemon, source, least=4)
    assert not found[-1].manifest["end_known"], "nobody saw the end"


def test_recordings_of_one_session_are_rolled_beside_each_other_whatever_their_names(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
) -> None:
    """A reconnect beside the first; then guacd dies of one, starts again, and one is renamed."""
    daemon = rolling_daemon().start()
    name = daemon.allowed_name("k-1")
    first, reconnect = (
        guacd_writer(source, daemon.recordings / name, "--on-command") for _ in range(2)
    )
    assert reconnect.path.name == f"{name}.1"
    for writer in (first, reconnect):
        writer.write(1_200_000)
    wait_until(lambda: len(clips_of(daemon)) == 2, "both are rolled")
    first.path.rename(first.path.with_name(f"{name}.9"))
    reconnect.kill()
    again = guacd_writer(source, daemon.recordings / name, "--on-command")
    assert again.path.name == name
    for writer in (first, again):
        writer.write("all")
        writer.close()
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "all is stored")
    found = clips_of(daemon)
    assert [each.manifest["sequence"] for each in found] == list(range(len(found)))
    bodies: dict[int, bytes] = {}
    for each in sorted(found, key=lambda each: each.bounds):
        bodies.setdefault(each.manifest["recording"]["id"], b"")
        bodies[each.manifest["recording"]["id"]] += each.body
    whole = source.read_bytes()
    assert sorted(bodies.values(), key=len) == [whole[:1_200_000], whole, whole]
    assert not daemon.events("recording.lost")


def test_what_comes_before_the_first_sync_does_not_cost_the_rest_its_clips(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
) -> None:
    content = source.read_bytes()
    silent = re.sub(rb"4\.sync,[^;]*;", b"", content[: content.index(b";4.sync", 2_300_000) + 1])
    source.write_bytes(silent + content)
    daemon = rolling_daemon().start()
    name = daemon.allowed_name("k-1")
    writer = guacd_writer(source, daemon.recordings / name, "--on-command")
    writer.write("all")
    wait_until(lambda: daemon.events("segment.sealed"), "it is cut without any sync")
    writer.close()
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "all is stored")
    first, *others = clips_of(daemon)
    assert (first.manifest["form"], first.manifest["cause"]) == ("raw", "empty")
    assert [each.manifest["form"] for each in others] == ["clip"] * len(others)
    assert first.body + b"".join(each.body for each in others) == source.read_bytes()


@pytest.mark.parametrize("how", ["deleted", "truncated", "replaced", "overwritten"])
def test_what_was_cut_before_a_file_was_lost_is_stored(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
    how: str,
) -> None:
    daemon = rolling_daemon().start()
    name = daemon.allowed_name("k-1")
    writer = guacd_writer(source, daemon.recordings / name, "--on-command")
    writer.write(1_200_000)
    wait_until(lambda: len(clips_of(daemon)) == 1, "the first segment is stored")
    written = source.read_bytes()
    if how == "deleted":
        writer.path.unlink()
    elif how == "truncated":
        os.truncate(writer.path, 0)
        writer.kill()
    elif how == "replaced":
        writer.kill()
        writer.path.unlink()
        guacd_writer(source, writer.path)  # most often under the same inode number
    else:  # by recording-write-existing, whose writer is far behind the file's end
        daemon.kill()
        writer.kill()
        source.write_bytes(source.read_bytes().replace(b"3.240", b"3.241"))
        writer = guacd_writer(source, writer.path, "--on-command", "--write-existing")
        writer.write(20_000)
        daemon.start(wait=False)  # it is not healthy where a recording was lost
    wait_until(lambda: daemon.events("recording.lost"), "the loss is named")
    if how == "overwritten":
        wait_until(lambda: len(daemon.events("recording.appeared")) == 2, "the new one is seen")
        writer.write("all")
        writer.close()
    if how in ("replaced", "overwritten"):
        wait_until(lambda: len(clips_of(daemon)) >= 5, "the new one is cut from its beginning")
    if how != "truncated":
        wait_until(daemon.spool_is_empty, "nothing is left in the spool")
    first, *others = clips_of(daemon)
    assert written.startswith(first.body)
    assert others == [] or b"".join(each.body for each in others) == source.read_bytes()


def test_a_quiet_session_reaches_storage_before_it_ends(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
) -> None:
    daemon = rolling_daemon(segment_max_age="1s").start()
    name = daemon.allowed_name("k-1")
    writer = guacd_writer(source, daemon.recordings / name, "--on-command")
    writer.write(100_000)
    wait_until(lambda: len(clips_of(daemon)) == 1, "it is stored")
    assert clips_of(daemon)[0].bounds[1] < 100_000
    assert disk.is_locked(writer.path)
    writer.write("all")
    writer.close()
    assert_whole(daemon, source)


def test_where_no_hole_can_be_made_it_is_rolled_all_the_same_and_said_once(
    rolling_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
) -> None:
    daemon = rolling_daemon()
    daemon.faults["KASM_RECD_TEST_NO_HOLES"] = "1"
    daemon.start()
    name = daemon.allowed_name("k-1")
    writer = guacd_writer(source, daemon.recordings / name, "--on-command")
    writer.write(2 * MB + 200_000)
    wait_until(lambda: len(clips_of(daemon)) == 2, "two segments are stored")
    wait_until(lambda: daemon.status()["bytes_pinned"] > 1_900_000, "status says what is pinned")
    assert len(daemon.events("recording.pinned")) == 1
    writer.write("all")
    writer.close()
    assert_whole(daemon, source, least=4)
