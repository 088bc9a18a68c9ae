"""Each clip begins and ends when the wall clock showed it, whatever becomes of clock and daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk
from kasm_recd.journal import Journal
from kasm_recd.rolling import Rolling
from tests.test_segmenter_rolling import FIRST_MS, SIZE, Rolls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from kasm_recd.recording import Recording
    from tests.fixtures_journal import Clock

#: Seconds of the monotonic clock: the session's first frame, and some frames later.
BEGAN, LATER = FIRST_MS / 1000, FIRST_MS / 1000 + 0.9
HOUR = 3_600.0


class Session:
    """A session of 1.8 s that began just now, on a machine whose clock is set now and then."""

    def __init__(self, rolls: Rolls) -> None:
        self.rolls = rolls
        self.offset = time.time() - BEGAN
        rolls.clock.now = time.time() + 60

    async def note(self, moment: float, boot_id: str = "boot-1") -> None:
        """What a scan notes at a moment of the monotonic clock."""
        await self.rolls.journal.note_clock(boot_id, self.offset, moment + self.offset)

    async def to_its_end(self, *, ended_at: float, end_known: bool) -> None:
        """It ends, and the rest is cut."""
        await self.rolls.finish(ended_at=ended_at, end_known=end_known)
        while not self.rolls.drained:
            await self.rolls.cut()
        assert len(self.rolls.sealed) == 4
        assert self.rolls.bodies() == self.rolls.content


@pytest.fixture
async def session(
    journal_path: Path,
    tmp_path: Path,
    journal_clock: Clock,
    add_recording: Callable[..., Awaitable[Recording]],
) -> AsyncIterator[Session]:
    journal = Journal.open(journal_path, clock=journal_clock)
    rolls = Rolls(journal, tmp_path, journal_clock, Rolling(SIZE))
    identity = disk.identify(rolls.path)
    rolls.id = (await add_recording(journal, path=str(rolls.path), identity=identity)).id
    yield Session(rolls)
    await rolls.journal.close()


@pytest.mark.parametrize("step_s", [HOUR, -HOUR])
async def test_the_clock_is_set_while_a_session_runs(session: Session, step_s: float) -> None:
    before = session.offset
    await session.note(BEGAN)
    session.offset += step_s
    session.rolls.clock.now += step_s
    await session.note(LATER)
    await session.to_its_end(ended_at=BEGAN + 10 + session.offset, end_known=True)
    first, *_, last = session.rolls.sealed
    assert first.began_at == pytest.approx(before + BEGAN, abs=1)
    assert first.ended_at == pytest.approx(before + BEGAN + 0.4, abs=1)
    assert last.began_at == pytest.approx(session.offset + BEGAN + 1.4, abs=1)
    assert last.ended_at == pytest.approx(session.offset + BEGAN + 10, abs=1)
    assert last.end_known
    for segment in session.rolls.sealed:
        assert segment.began_at <= segment.ended_at


async def test_the_daemon_starts_again_between_two_cuts(
    session: Session, journal_path: Path
) -> None:
    rolls = session.rolls
    await session.note(BEGAN)
    await rolls.cut()
    await rolls.journal.close()
    rolls.use(Journal.open(journal_path, clock=rolls.clock))
    await session.note(LATER)
    await session.to_its_end(ended_at=session.offset + BEGAN + 5, end_known=True)
    at = session.offset + BEGAN
    assert rolls.sealed[0].began_at == pytest.approx(at, abs=1)
    for one, two in zip(rolls.sealed, rolls.sealed[1:], strict=False):
        assert two.began_at == one.ended_at
    assert rolls.sealed[-1].ended_at == pytest.approx(at + 5, abs=1)


async def test_it_ended_while_the_daemon_was_down_for_an_hour(session: Session) -> None:
    await session.note(BEGAN)
    await session.rolls.cut()
    session.rolls.clock.now += HOUR
    await session.note(BEGAN + HOUR)
    await session.to_its_end(ended_at=session.offset + BEGAN + 1.8, end_known=False)
    last = session.rolls.sealed[-1]
    assert not last.end_known
    assert last.end_timestamp == last.contents.last_sync
    assert last.ended_at == pytest.approx(session.offset + BEGAN + 1.8, abs=1)


async def test_the_machine_started_again_in_mid_roll(session: Session) -> None:
    await session.note(BEGAN)
    await session.rolls.cut()
    at = session.offset + BEGAN
    session.rolls.clock.now += 300
    session.offset = session.rolls.clock.now - 20  # up for 20 s
    await session.note(20, "boot-2")
    await session.to_its_end(ended_at=at + 1.8, end_known=False)
    for segment in session.rolls.sealed:
        assert segment.contents.first_sync is not None
        since_s = segment.contents.first_sync / 1000 - BEGAN
        assert segment.began_at == pytest.approx(at + since_s, abs=1)
    assert session.rolls.sealed[-1].ended_at == pytest.approx(at + 1.7, abs=1)
