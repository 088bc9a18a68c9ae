"""One attempt at one preamble: what it is made from, who waits for it, and what if it fails."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kasm_recd import preambles, process
from kasm_recd.replaying import ReplayStage
from kasm_recd.states import RecordingEvent, SegmentEvent
from tests.rolling import make_recording

if TYPE_CHECKING:
    from kasm_recd.journal import Journal
    from kasm_recd.segment import Segment
    from tests.fixtures_journal import SealOne

#: Without a cage: the stand-in looks beside its input.
LIMITS = process.Limits(2_000_000_000, 10_000_000, cpu_seconds=60, deadline_s=60.0, cage="off")
STANDIN = Path(__file__).parent / "standins" / "replay.py"
BODY = make_recording(50_000)


class Replaying:
    """A replay stage on a spool, and whom it told what."""

    def __init__(self, journal: Journal, spool: Path, seal_one: SealOne) -> None:
        self.journal = journal
        self.spool = spool
        self._seal_one = seal_one
        self.settled: list[Segment] = []
        self.again: list[Segment] = []
        for name in ("attempts", preambles.FOLDER):
            (spool / name).mkdir(parents=True)
        self.stage = ReplayStage(
            journal=journal,
            spool=spool,
            limits=LIMITS,
            attempts=2,
            on_settled=self.settled.append,
            on_again=self.again.append,
            argv=[sys.executable, str(STANDIN)],
        )

    async def sealed(self, start: int) -> Segment:
        """The next segment of a growing recording, its body in the spool."""
        segment = await self._seal_one(self.journal, start=start, length=len(BODY))
        self.folder(segment).mkdir(parents=True)
        (self.folder(segment) / "body.guac").write_bytes(BODY)
        return segment

    def folder(self, segment: Segment) -> Path:
        return self.spool / "segments" / segment.folder


@pytest.fixture
def replaying(journal: Journal, tmp_path: Path, seal_one: SealOne) -> Replaying:
    return Replaying(journal, tmp_path / "spool", seal_one)


async def test_the_first_body_is_replayed_alone_and_the_next_one_behind_its_preamble(
    replaying: Replaying,
) -> None:
    first = await replaying.sealed(0)
    second = await replaying.sealed(first.end)
    assert preambles.of(replaying.spool, first) == preambles.NONE_NEEDED
    assert preambles.of(replaying.spool, second) is None

    await replaying.stage.work(second.id)
    assert preambles.after(replaying.spool, second) is None, "its own preamble is not there yet"
    await replaying.stage.work(first.id)
    await replaying.stage.work(second.id)

    opening = preambles.of(replaying.spool, second)
    assert opening is not None
    assert opening.path is not None
    following = preambles.after(replaying.spool, second)
    assert following is not None
    assert following.path is not None
    given = len(opening.path.read_bytes()) + len(BODY)
    assert f"{given % 256},3.255;".encode() in following.path.read_bytes()
    assert replaying.settled == [first, second]
    assert not list((replaying.spool / "attempts").iterdir())


async def test_what_is_there_is_not_made_again(replaying: Replaying) -> None:
    first = await replaying.sealed(0)
    await replaying.stage.work(first.id)
    made = preambles.after(replaying.spool, first)
    assert made is not None
    assert made.path is not None
    before = made.path.stat().st_ino
    await replaying.stage.work(first.id)
    assert made.path.stat().st_ino == before


async def test_after_a_recordings_last_segment_there_is_nothing_to_make(
    replaying: Replaying, journal: Journal
) -> None:
    first = await replaying.sealed(0)
    await journal.move_recording(first.recording_id, RecordingEvent.FINISH)
    await journal.move_recording(first.recording_id, RecordingEvent.DRAIN)
    assert not replaying.stage.is_needed(first)


async def test_a_failure_is_tried_again_and_at_last_given_up_for_all_that_follow(
    replaying: Replaying,
) -> None:
    first = await replaying.sealed(0)
    second = await replaying.sealed(first.end)
    trouble = replaying.folder(first) / "trouble"
    trouble.write_text("the picture is square\n")
    await replaying.stage.work(first.id)
    assert replaying.again == [first]
    assert preambles.of(replaying.spool, second) is None
    await replaying.stage.work(first.id)
    opening = preambles.of(replaying.spool, second)
    assert opening is not None
    assert opening.path is None
    assert "the picture is square" in opening.cause
    await replaying.stage.work(second.id)
    assert preambles.after(replaying.spool, second) == opening
    assert replaying.settled == [first, second]


async def test_a_restart_in_between_costs_no_attempt(
    replaying: Replaying, journal: Journal
) -> None:
    first = await replaying.sealed(0)
    for _ in range(5):
        await journal.begin_attempt(first.id, "replay", "t")
        await journal.recover()
    await replaying.stage.work(first.id)
    made = preambles.after(replaying.spool, first)
    assert made is not None
    assert made.path is not None


async def test_a_body_that_is_gone_leaves_the_next_one_without(
    replaying: Replaying, journal: Journal
) -> None:
    first = await replaying.sealed(0)
    second = await replaying.sealed(first.end)
    (replaying.folder(first) / "body.guac").unlink()
    await replaying.stage.work(first.id)
    opening = preambles.of(replaying.spool, second)
    assert opening is not None
    assert "no longer in the spool" in opening.cause
    await journal.move_segment(second.id, SegmentEvent.EXPIRE)
    preambles.remove(replaying.spool, second)
    assert not replaying.stage.is_needed(first), "nobody wants it any more"


async def test_what_an_encode_is_about_to_make_is_left_to_it(replaying: Replaying) -> None:
    first = await replaying.sealed(0)
    stage = ReplayStage(
        journal=replaying.journal,
        spool=replaying.spool,
        limits=LIMITS,
        attempts=2,
        on_settled=replaying.settled.append,
        on_again=replaying.again.append,
        is_coming=lambda segment: segment.id == first.id,
        argv=["/bin/false"],
    )
    assert stage.is_lacking(first)
    assert not stage.is_needed(first)
    await stage.work(first.id)
    assert (replaying.settled, replaying.again) == ([], [])
