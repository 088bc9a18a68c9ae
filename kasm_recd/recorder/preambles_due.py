"""The preambles that segments wait for: who lacks one, how it comes about, who is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from kasm_recd import disk, preambles
from kasm_recd.encoding import WAITING
from kasm_recd.pressure import Level
from kasm_recd.recorder import building
from kasm_recd.replaying import ReplayStage

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.journal import Journal
    from kasm_recd.recorder.queues import Queues
    from kasm_recd.relief import Relief
    from kasm_recd.segment import Segment
    from kasm_recd.settings import Settings

REPLAY_AGAIN_S: Final = 5.0


class PreamblesDue:
    """Has segments replayed where encoding hands no preamble over, and moves on who got one."""

    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        queues: Queues,
        relief: Relief,
        kick: asyncio.Event,
        refused: asyncio.Event,
        now: Callable[[], float],
    ) -> None:
        """``kick`` asks for a sweep, ``refused`` says that a write found no room."""
        self._spool = settings.spool_dir
        self._journal = journal
        self._queues = queues
        self._relief = relief
        self._kick = kick
        self._refused = refused
        self._replaying = ReplayStage(
            journal=journal,
            spool=settings.spool_dir,
            limits=building.encode_limits(settings),
            attempts=settings.encode_attempts,
            on_settled=self.settled,
            on_again=lambda segment: self.offer(segment, now() + REPLAY_AGAIN_S),
            on_full=refused.set,
            is_coming=building.encode_policy(settings).hands_over,
        )

    def offer(self, segment: Segment, not_before: float = 0.0) -> None:
        """Has a segment replayed where its follower needs that."""
        if self._replaying.is_needed(segment):
            self._queues.offer_replay(segment, not_before)

    def offer_before(self, segment: Segment) -> bool:
        """The same for the segment that ends where this one begins; False where there is none."""
        before = self._journal.segment_ending(segment.recording_id, segment.start)
        if before is None:
            return False
        self.offer(before)
        return True

    async def replay(self, segment_id: int) -> None:
        """One attempt at the preamble after a segment."""
        await self._replaying.work(segment_id)

    def is_lacking(self, segment: Segment) -> bool:
        """Whether the preamble after a segment is wanted and not there."""
        return self._replaying.is_lacking(segment)

    def settled(self, segment: Segment) -> None:
        """What follows can be encoded now, and replayed in its turn."""
        self._kick.set()
        following = self._journal.segment_at(segment.recording_id, segment.end)
        if following is not None:
            if following.state in WAITING:
                self._queues.offer(following)
            self.offer(following)

    async def seek(self) -> None:
        """What waits for a preamble gets one, or hears that there will be none."""
        for segment in self._journal.segments(*WAITING):
            if preambles.of(self._spool, segment) is not None:
                continue
            if self._relief.level is not Level.EASY:
                self._queues.offer(segment)  # to go up raw it needs none
            if not self.offer_before(segment) and await self._give_up(segment):
                self._queues.offer(segment)

    async def _give_up(self, segment: Segment) -> bool:
        """Whether that could be noted; on a full disk it is tried again."""
        where = (self._spool, segment.recording_id, segment.start)
        cause = "the journal does not know the segment before it"
        try:
            await asyncio.to_thread(preambles.give_up, *where, cause)
        except OSError as error:
            if not disk.says_full(error):
                raise
            self._refused.set()
            return False
        return True
