"""The spool's disk is nearly full: raw segments go up first, and their clips follow with room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.probe import probe
from kasm_recd.states import SegmentState
from tests.fixtures_daemon import wait_until
from tests.rolling import MB, make_recording, stored
from tests.small_disks import fill, fill_to_the_last_byte, mounted
from tests.test_owed_clips import BODY, Chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kasm_recd.encoder import Clip, Job
    from kasm_recd.journal import Journal
    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter
    from tests.fixtures_journal import Clock, SealOne

FLOOR = 16 * MB  # half of it is far more than what a test writes
SEGMENT = 2 * MB


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MiB."""
    with mounted(tmp_path / "small", "size=40m", of="A NEARLY FULL DISK") as folder:
        yield folder


def make(
    make_daemon: Callable[..., DaemonProcess], small_disk: Path, **settings: object
) -> DaemonProcess:
    daemon = make_daemon(
        spool_dir=small_disk / "spool",
        min_free=FLOOR,
        segment_size=SEGMENT,
        encoder="native",
        session_recording_queue_length=1,
        **settings,
    )
    daemon.spool = small_disk / "spool"
    return daemon.start()


@pytest.mark.slow
async def test_below_the_floor_everything_goes_up_raw_and_the_clips_follow_when_there_is_room(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    small_disk: Path,
    tmp_path: Path,
) -> None:
    daemon = make(make_daemon, small_disk)
    name = daemon.allowed_name("k-1")
    filler = fill(small_disk, leave=FLOOR - MB)
    switch = wait_until(lambda: daemon.events("disk.pressure"), "it is said")[0]
    assert (switch["pressure"], switch["level"]) == ("short", "warning")
    source = tmp_path / "source.guac"
    source.write_bytes(make_recording(2 * MB))
    guacd_writer(source, daemon.recordings / name).wait_written()
    wait_until(lambda: daemon.events("recording.removed"), "all of it is cut", deadline_s=90)
    wait_until(lambda: daemon.status()["bytes_at_risk"] == 0, "all of it is stored", deadline_s=90)
    assert len(daemon.events("segment.raw_first")) >= 2
    first = daemon.events("segment.sealed")[0]
    assert first["length"] <= SEGMENT // 2 + 100_000, "cuts come earlier"
    assert b"".join(each.raw for each in stored(daemon.folder / "clips", "k-1")) == (
        source.read_bytes()
    )
    filler.unlink()
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "the clips follow", deadline_s=90)
    segments = stored(daemon.folder / "clips", "k-1")
    assert b"".join(each.raw for each in segments) == source.read_bytes()
    clips = sorted((daemon.folder / "clips").glob("k-1.*.mp4"))
    assert len(clips) == len(segments)
    assert {each.manifest["form"] for each in segments} == {"clip"}
    assert (await probe(clips[-1])).duration_ms > 0
    assert daemon.events("disk.pressure")[-1]["pressure"] == "easy"
    for lost in ("segment.expired", "clip.waived", "recorder.restarting"):
        assert not daemon.events(lost)


@pytest.mark.slow
def test_with_raw_upload_never_clips_alone_make_room(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    small_disk: Path,
    tmp_path: Path,
) -> None:
    daemon = make(make_daemon, small_disk, raw_upload="never")
    name = daemon.allowed_name("k-1")
    fill(small_disk, leave=FLOOR - MB)
    wait_until(lambda: daemon.events("disk.pressure"), "it is said")
    source = tmp_path / "source.guac"
    source.write_bytes(make_recording(2 * SEGMENT))
    guacd_writer(source, daemon.recordings / name).wait_written()
    wait_until(lambda: daemon.events("recording.removed"), "all of it is cut", deadline_s=90)
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "all is stored", deadline_s=90)
    assert not daemon.events("segment.raw_first")
    assert not list((daemon.folder / "clips").glob("*.guac"))


async def test_a_disk_that_is_full_when_the_manifest_is_written_leaves_the_segment_whole(
    journal: Journal,
    journal_clock: Clock,
    seal_one: SealOne,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain = Chain(journal, journal_clock, small_disk)
    segment = await chain.sealed(seal_one)
    filler = small_disk / "filler"
    encode = chain.encoder.encode

    async def encode_and_fill(job: Job, **named: Any) -> Clip:
        clip = await encode(job, **named)
        fill_to_the_last_byte(small_disk)
        return clip

    monkeypatch.setattr(chain.encoder, "encode", encode_and_fill)
    await chain.encoding.work(segment.id)
    found = chain.now(segment)
    assert (found.state, found.encode_attempts, chain.full) == (SegmentState.SEALED, 0, 1)
    assert (chain.home(segment) / "body.guac").read_bytes() == BODY
    assert not (chain.home(segment) / "manifest.json").exists()
    await chain.encoding.go_raw(segment.id)
    assert chain.now(segment).state is SegmentState.SEALED, "no room for that manifest either"
    filler.unlink()
    monkeypatch.undo()
    await chain.encoding.work(segment.id)
    await chain.uploading.work(segment.id)
    assert chain.now(segment).state is SegmentState.STORED


def test_a_ballast_that_the_disk_cannot_hold_is_said_once_and_everything_works(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    small_disk: Path,
    tmp_path: Path,
) -> None:
    daemon = make_daemon(
        spool_dir=small_disk / "spool", min_free=0, segment_size="1MB", ballast_size="64MB"
    ).start()
    (said,) = daemon.events("disk.ballast_impossible")
    assert said["level"] == "error"
    assert said["total"] < said["ballast"] + said["floor"]
    name = daemon.allowed_name("k-1")
    source = tmp_path / "source.guac"
    source.write_bytes(make_recording(MB // 10))
    guacd_writer(source, daemon.recordings / name).wait_written()
    wait_until(lambda: daemon.events("clip.stored"), "it is stored", deadline_s=60)
    assert not daemon.events("recorder.restarting")
    assert len(daemon.events("disk.ballast_impossible")) == 1
