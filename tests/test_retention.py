"""What is deleted, and what is not, with real files, real locks and a real journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk, preambles
from kasm_recd.retention import Retention
from kasm_recd.states import RecordingEvent, RecordingState, SegmentEvent, SegmentState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.recording import Recording
    from kasm_recd.segment import Segment
    from tests.fixtures_guacd import GuacdWriter
    from tests.fixtures_journal import SealOne

DAY = 86_400.0


class Keeping:
    """A retention over a spool, with one recording that was cut whole."""

    def __init__(self, journal: Journal, folder: Path) -> None:
        self.journal = journal
        self.folder = folder
        self.attempts = 0
        self.retention = Retention(
            journal=journal,
            spool=folder / "spool",
            retention_s=DAY,
            attempts_since_start=lambda _segment: self.attempts,
            now=lambda: 1_700_000_000.0,
        )

    async def drained(self, writer: GuacdWriter, seal_one: SealOne) -> Recording:
        """The recording that ``writer`` wrote, as it is once every byte of it is in a segment."""
        size = writer.path.stat().st_size
        segment = await seal_one(self.journal, length=size)
        found = {"path": str(writer.path), "identity": disk.identify(writer.path)}
        await self.journal.update_recording(segment.recording_id, **found)
        await self.journal.move_recording(segment.recording_id, RecordingEvent.FINISH)
        return await self.journal.move_recording(segment.recording_id, RecordingEvent.DRAIN)

    def put_into_spool(self, segment: Segment, *names: str) -> Path:
        folder = self.folder / "spool" / "segments" / segment.folder
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_bytes(b"bytes")
        return folder

    def state(self, recording: Recording) -> RecordingState:
        found = self.journal.recording(recording.id)
        assert found is not None
        return found.state


@pytest.fixture
def keeping(journal: Journal, tmp_path: Path) -> Keeping:
    (tmp_path / "recordings").mkdir()
    return Keeping(journal, tmp_path)


@pytest.fixture
def writer(
    keeping: Keeping, guacd_writer: Callable[..., GuacdWriter], tiny_recording: Path
) -> GuacdWriter:
    made = guacd_writer(tiny_recording, keeping.folder / "recordings" / "r", "--on-command")
    made.write("all")
    return made


async def test_a_drained_recording_is_removed_without_a_trace(
    keeping: Keeping, writer: GuacdWriter, seal_one: SealOne
) -> None:
    writer.close()
    recording = await keeping.drained(writer, seal_one)
    await keeping.retention.sweep()
    assert keeping.state(recording) is RecordingState.REMOVED
    assert not list((keeping.folder / "recordings").iterdir())


@pytest.mark.parametrize("reason", ["locked", "grown"])
async def test_a_drained_recording_that_is_in_use_after_all_gets_its_name_back(
    keeping: Keeping, writer: GuacdWriter, seal_one: SealOne, reason: str
) -> None:
    recording = await keeping.drained(writer, seal_one)
    if reason == "grown":
        writer.write(100)
        writer.close()
    await keeping.retention.sweep()
    assert keeping.state(recording) is RecordingState.GROWING
    assert [path.name for path in (keeping.folder / "recordings").iterdir()] == ["r"]


async def test_another_file_under_the_recordings_name_is_left_alone(
    keeping: Keeping, writer: GuacdWriter, seal_one: SealOne
) -> None:
    writer.close()
    recording = await keeping.drained(writer, seal_one)
    writer.path.unlink()
    writer.path.write_bytes(b"4.size,1.0,1.1,1.1; somebody else's")
    await keeping.retention.sweep()
    assert keeping.state(recording) is RecordingState.REMOVED
    assert writer.path.read_bytes().endswith(b"somebody else's")


async def test_a_crash_after_the_hidden_rename_is_finished_by_the_next_sweep(
    keeping: Keeping, writer: GuacdWriter, seal_one: SealOne
) -> None:
    writer.close()
    recording = await keeping.drained(writer, seal_one)
    disk.rename_no_replace(writer.path, disk.hidden_name(writer.path, recording.id))
    await keeping.retention.sweep()
    assert keeping.state(recording) is RecordingState.REMOVED
    assert not list((keeping.folder / "recordings").iterdir())


async def test_a_recording_that_cannot_be_removed_is_tried_again(
    keeping: Keeping,
    writer: GuacdWriter,
    seal_one: SealOne,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer.close()
    recording = await keeping.drained(writer, seal_one)

    def refuse(*_: object) -> None:
        raise PermissionError("no")

    with monkeypatch.context() as patched:
        patched.setattr(disk, "leave", refuse)
        await keeping.retention.sweep()
        await keeping.retention.sweep()
        assert keeping.state(recording) is RecordingState.DRAINED
    await keeping.retention.sweep()
    assert keeping.state(recording) is RecordingState.REMOVED


async def test_a_stored_segment_is_purged(keeping: Keeping, seal_one: SealOne) -> None:
    segment = await seal_one(keeping.journal)
    await keeping.journal.move_recording(segment.recording_id, RecordingEvent.LOSE)
    folder = keeping.put_into_spool(segment, "body.guac", "clip.mp4")
    for event in (
        SegmentEvent.ENCODE,
        SegmentEvent.ENCODED,
        SegmentEvent.UPLOAD,
        SegmentEvent.STORED,
    ):
        await keeping.retention.sweep()
        assert folder.exists(), f"nothing goes before '{event}'"
        await keeping.journal.move_segment(segment.id, event)
    await keeping.retention.sweep()
    assert not folder.exists()
    assert [found.state for found in keeping.journal.segments()] == [SegmentState.PURGED]


async def test_an_expired_segment_names_every_file_that_is_lost(
    keeping: Keeping, seal_one: SealOne, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = await seal_one(keeping.journal, sealed_uptime=0.0)
    folder = keeping.put_into_spool(segment, "body.guac", "segment.json")
    await keeping.journal.add_uptime(DAY)
    await keeping.retention.sweep()
    assert folder.exists(), "the store had no chance since this start"
    keeping.attempts = 3
    await keeping.retention.sweep()
    assert not folder.exists()
    told = capsys.readouterr().out
    assert told.count("segment.expired") == 2
    assert "body.guac" in told
    assert "k-1" in told


async def test_what_a_crash_left_of_an_expired_segment_goes_at_the_next_sweep(
    keeping: Keeping, seal_one: SealOne
) -> None:
    segment = await seal_one(keeping.journal)
    folder = keeping.put_into_spool(segment, "body.guac")
    await keeping.journal.move_segment(segment.id, SegmentEvent.EXPIRE)
    await keeping.retention.sweep()
    assert not folder.exists()


async def stored(journal: Journal, segment: Segment) -> Segment:
    for event in (
        SegmentEvent.ENCODE,
        SegmentEvent.ENCODED,
        SegmentEvent.UPLOAD,
        SegmentEvent.STORED,
    ):
        segment = await journal.move_segment(segment.id, event)
    return segment


def opening(keeping: Keeping, segment: Segment) -> Path:
    """A preamble for what follows ``segment``, as the replay publishes it."""
    folder = keeping.folder / "spool" / preambles.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    made = keeping.folder / "made"
    made.write_bytes(b"4.sync,1.1,1.1;")
    preambles.publish(keeping.folder / "spool", segment, made)
    found = preambles.after(keeping.folder / "spool", segment)
    assert found is not None
    assert found.path is not None
    return found.path


async def test_a_body_stays_until_the_next_segment_has_its_preamble(
    keeping: Keeping, seal_one: SealOne
) -> None:
    first = await stored(keeping.journal, await seal_one(keeping.journal))
    second = await seal_one(keeping.journal, start=first.end)
    folder = keeping.put_into_spool(first, "body.guac", "segment.json")
    await keeping.retention.sweep()
    assert (folder / "body.guac").exists()
    preamble = opening(keeping, first)
    await keeping.retention.sweep()
    assert not folder.exists()
    assert preamble.exists(), "the second one plays from it"
    await keeping.journal.move_segment(second.id, SegmentEvent.EXPIRE)
    await keeping.retention.sweep()
    assert not preamble.exists()


async def test_of_a_live_recordings_last_segment_the_sidecar_stays(
    keeping: Keeping, seal_one: SealOne
) -> None:
    """Without it a rebuilt journal would not know where the recording was cut."""
    segment = await stored(keeping.journal, await seal_one(keeping.journal))
    folder = keeping.put_into_spool(segment, "body.guac", "clip.mp4", "segment.json")
    opening(keeping, segment)
    await keeping.retention.sweep()
    assert [path.name for path in folder.iterdir()] == ["segment.json"]
    assert keeping.journal.bytes_at_risk() == 0
    await keeping.journal.move_recording(segment.recording_id, RecordingEvent.LOSE)
    await keeping.retention.sweep()
    assert not folder.exists()


async def test_a_preamble_that_nothing_will_follow_goes_with_its_recording(
    keeping: Keeping, seal_one: SealOne
) -> None:
    segment = await seal_one(keeping.journal)
    preamble = opening(keeping, segment)
    await keeping.retention.sweep()
    assert preamble.exists()
    await keeping.journal.move_recording(segment.recording_id, RecordingEvent.LOSE)
    await keeping.retention.sweep()
    assert not preamble.exists()
