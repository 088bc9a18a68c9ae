"""When a live recording is cut, and what becomes of a file that is not what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk, process
from kasm_recd.errors import RecordingChanged
from kasm_recd.guacamole.instructions import read
from kasm_recd.rolling import Rolling
from kasm_recd.segmenter import Segmenter
from kasm_recd.states import RecordingEvent, RecordingState
from kasm_recd.workers.seams import is_seam
from tests.rolling import STEP_MS, make_recording

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.recording import Recording
    from kasm_recd.segment import Segment
    from tests.fixtures_journal import Clock

LIMITS = process.Limits(memory=1_000_000_000, file_size=10_000_000, cpu_seconds=60, deadline_s=60.0)
SIZE = 100_000
FIRST_MS = 5_000_000


class Rolls:
    """A segmenter on one live file, and what it said."""

    def __init__(self, journal: Journal, folder: Path, clock: Clock, rolling: Rolling) -> None:
        self.clock = clock
        self.rolling = rolling
        self.path = folder / "live"
        self.content = make_recording(350_000, first_ms=FIRST_MS)
        self.path.write_bytes(self.content)
        self.sealed: list[Segment] = []
        self.more: list[Recording] = []
        self.drained: list[Recording] = []
        self.handed_back: list[int] = []
        for name in ("segments", "attempts"):
            (folder / "spool" / name).mkdir(parents=True)
        self.spool = folder / "spool"
        self.use(journal)
        self.id = 0

    def use(self, journal: Journal) -> None:
        """Cut by this journal from now on, as after a restart."""
        self.journal = journal
        self.segmenter = Segmenter(
            journal=journal,
            spool=self.spool,
            limits=LIMITS,
            rolling=lambda: self.rolling,
            hand_back=lambda recording: self.handed_back.append(recording.consumed),
            on_sealed=self.sealed.append,
            on_more=self.more.append,
            on_drained=self.drained.append,
            now=self.clock,
        )

    @property
    def recording(self) -> Recording:
        found = self.journal.recording(self.id)
        assert found is not None
        return found

    async def cut(self) -> None:
        await self.segmenter.cut(self.id)

    async def finish(self, *, ended_at: float, end_known: bool) -> None:
        await self.journal.move_recording(
            self.id, RecordingEvent.FINISH, ended_at=ended_at, end_known=end_known
        )

    def bodies(self) -> bytes:
        folders = sorted((self.spool / "segments").iterdir())
        return b"".join((folder / "body.guac").read_bytes() for folder in folders)


@pytest.fixture
async def rolls(
    journal: Journal,
    tmp_path: Path,
    journal_clock: Clock,
    add_recording: Callable[..., Awaitable[Recording]],
) -> Rolls:
    made = Rolls(journal, tmp_path, journal_clock, Rolling(SIZE))
    identity = disk.identify(made.path)
    offset = journal_clock.now - FIRST_MS / 1000 - 60  # it began a minute ago
    await journal.note_clock("boot-1", offset, journal_clock.now - 100)
    found = await add_recording(journal, path=str(made.path), identity=identity)
    made.id = found.id
    return made


def test_by_size_at_once_and_by_age_only_where_that_is_asked_for() -> None:
    assert Rolling(SIZE).is_due(SIZE, 0.0)
    assert not Rolling(SIZE).is_due(SIZE - 1, 1e9)
    assert Rolling(SIZE, 60.0).is_due(1, 60.0)
    assert not Rolling(SIZE, 60.0).is_due(1, 59.0)
    assert not Rolling(SIZE, 60.0).is_due(0, 1e9)


async def test_a_live_recording_is_cut_one_segment_at_a_call(rolls: Rolls) -> None:
    for number in (1, 2, 3):
        await rolls.cut()
        assert len(rolls.sealed) == number
        assert rolls.recording.consumed == rolls.sealed[-1].end
        assert rolls.handed_back[-1] == rolls.sealed[-1].end
    assert len(rolls.more) == 2, "the third call leaves less than a segment"
    await rolls.cut()
    assert len(rolls.sealed) == 3
    assert rolls.content.startswith(rolls.bodies())
    assert rolls.recording.state is RecordingState.GROWING
    assert all(segment.length <= SIZE for segment in rolls.sealed)


async def test_a_finished_one_is_cut_in_the_same_steps_and_its_tail_is_the_last(
    rolls: Rolls,
) -> None:
    await rolls.finish(ended_at=rolls.clock.now, end_known=True)
    while not rolls.drained:
        await rolls.cut()
    assert len(rolls.sealed) == 4
    assert rolls.bodies() == rolls.content
    assert rolls.recording.state is RecordingState.DRAINED


async def test_each_segment_begins_where_and_when_the_one_before_ended(rolls: Rolls) -> None:
    await rolls.finish(ended_at=rolls.clock.now, end_known=True)
    while not rolls.drained:
        await rolls.cut()
    for before, after in zip(rolls.sealed, rolls.sealed[1:], strict=False):
        assert after.start == before.end
        assert after.contents.first_sync == before.end_timestamp == before.contents.last_sync
        assert after.began_at == pytest.approx(before.ended_at)
        assert (after.contents.width, after.contents.height) == (320, 240)
        assert after.contents.longest_gap_ms == STEP_MS


async def test_a_segment_of_a_live_recording_has_no_time_after_its_last_sync(
    rolls: Rolls,
) -> None:
    await rolls.cut()
    await rolls.finish(ended_at=rolls.clock.now, end_known=True)
    while not rolls.drained:
        await rolls.cut()
    for segment in rolls.sealed[:-1]:
        assert segment.end_timestamp == segment.contents.last_sync


async def test_by_age_a_small_recording_is_cut_after_its_last_sync(
    journal: Journal,
    tmp_path: Path,
    journal_clock: Clock,
    add_recording: Callable[..., Awaitable[Recording]],
) -> None:
    rolls = Rolls(journal, tmp_path, journal_clock, Rolling(10_000_000, 60.0))
    half = len(rolls.content) // 2
    rolls.path.write_bytes(rolls.content[:half])
    found = await add_recording(journal, path=str(rolls.path), identity=disk.identify(rolls.path))
    rolls.id = found.id
    assert not rolls.segmenter.is_due(rolls.recording, half)
    journal_clock.now += 61
    assert rolls.segmenter.is_due(rolls.recording, half)
    await rolls.cut()
    (segment,) = rolls.sealed
    assert half - 25_000 < segment.end < half
    assert not rolls.segmenter.is_due(rolls.recording, half), "what is left is young"
    journal_clock.now += 61
    assert rolls.segmenter.is_due(rolls.recording, half)
    await rolls.cut()
    assert len(rolls.sealed) == 1, "there is no sync in it"
    assert not rolls.segmenter.is_due(rolls.recording, half), "and none comes while it is quiet"
    assert rolls.segmenter.is_due(rolls.recording, half + 1)


async def test_over_another_recording_it_is_cut_when_it_is_longer_or_at_its_end(
    journal: Journal,
    tmp_path: Path,
    journal_clock: Clock,
    add_recording: Callable[..., Awaitable[Recording]],
) -> None:
    """Until then the size says nothing of where its writer is: what it cut would never be read."""
    rolls = Rolls(journal, tmp_path, journal_clock, Rolling(SIZE))
    size = len(rolls.content)
    found = await add_recording(
        journal, path=str(rolls.path), identity=disk.identify(rolls.path), overwritten=size
    )
    rolls.id = found.id
    await rolls.cut()
    assert rolls.sealed == []
    assert rolls.segmenter.is_due(rolls.recording, size + 1)
    await rolls.finish(ended_at=rolls.clock.now, end_known=True)
    while not rolls.drained:
        await rolls.cut()
    assert rolls.bodies() == rolls.content


async def test_on_a_full_disk_it_is_cut_in_smaller_steps_and_each_is_handed_back(
    rolls: Rolls,
) -> None:
    await rolls.cut()
    rolls.rolling = Rolling(30_000)
    for number in (1, 2):
        assert rolls.segmenter.is_due(rolls.recording, rolls.recording.consumed + 30_000)
        await rolls.cut()
        assert rolls.sealed[number].length <= 30_000
        assert rolls.handed_back[-1] == rolls.sealed[number].end
    rolls.rolling = Rolling(SIZE)
    await rolls.cut()
    assert rolls.sealed[-1].length > 30_000
    assert rolls.content.startswith(rolls.bodies())


async def test_what_no_cut_was_found_in_is_looked_at_again_for_a_smaller_one(rolls: Rolls) -> None:
    rolls.rolling = Rolling(SIZE, 60.0)
    rolls.path.write_bytes(rolls.content[:5_000])
    rolls.clock.now += 61
    await rolls.cut()
    assert rolls.sealed == []
    assert not rolls.segmenter.is_due(rolls.recording, 5_000)
    rolls.rolling = Rolling(1_000)
    assert rolls.segmenter.is_due(rolls.recording, 5_000)


@pytest.mark.parametrize("how", ["deleted", "replaced", "overwritten", "shrunk"])
async def test_a_file_that_is_not_the_recording_any_more_is_not_cut(
    rolls: Rolls, tmp_path: Path, how: str
) -> None:
    await rolls.cut()
    match how:
        case "deleted":
            rolls.path.unlink()
        case "replaced":
            other = tmp_path / "other"
            other.write_bytes(rolls.content)
            other.replace(rolls.path)
        case "overwritten":
            with rolls.path.open("r+b") as file:
                file.write(b"4.size,1.0,1.9,1.9;")
        case _:
            with rolls.path.open("r+b") as file:
                file.truncate(5_000)
    with pytest.raises(RecordingChanged):
        await rolls.cut()
    assert len(rolls.sealed) == 1
    assert not list((rolls.spool / "attempts").iterdir())


async def test_a_file_that_is_replaced_while_it_is_cut_is_not_sealed(
    rolls: Rolls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = process.run

    async def replace_and_run(*args: object, **kwargs: object) -> process.Finished:
        other = tmp_path / "other"
        other.write_bytes(make_recording(400_000))
        other.replace(rolls.path)
        return await run(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "run", replace_and_run)
    with pytest.raises(RecordingChanged):
        await rolls.cut()
    assert rolls.recording.consumed == 0
    assert not list((rolls.spool / "segments").iterdir())


async def test_a_live_recording_keeps_its_last_byte_for_its_last_segment(
    rolls: Rolls,
) -> None:
    """Or nobody would show the time from its last sync on, which may be hours."""
    ends = [found.end for found in read([rolls.content]) if is_seam(found)]
    rolls.path.write_bytes(rolls.content[: ends[5]])
    rolls.rolling = Rolling(ends[5])
    await rolls.cut()
    assert rolls.recording.consumed == ends[4]
    await rolls.finish(ended_at=rolls.clock.now, end_known=True)
    await rolls.cut()
    assert [segment.end for segment in rolls.sealed] == [ends[4], ends[5]]
    assert rolls.bodies() == rolls.content[: ends[5]]
    assert rolls.drained
