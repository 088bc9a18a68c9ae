"""One attempt at one segment: read whole where the cut was not, encoded, or sent up raw.

Takes segments from the queue's slots and gives each attempt a folder of its own. A segment that
does not begin its recording waits for its preamble; one whose cut looked at its ends alone is
surveyed first, unless its first encode is to find out what it holds.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Any

from kasm_recd import disk, metrics, preambles
from kasm_recd.encoding.clip_making import ClipMaker
from kasm_recd.encoding.failures import Failures
from kasm_recd.encoding.going_raw import RawWay
from kasm_recd.encoding.policy import WAITING
from kasm_recd.errors import OperatorError, Retried
from kasm_recd.log import get_logger
from kasm_recd.states import SegmentEvent, SegmentState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kasm_recd.encoder import Encoder
    from kasm_recd.encoding.policy import EncodePolicy
    from kasm_recd.journal import Journal
    from kasm_recd.preambles import Preamble
    from kasm_recd.segment import Segment
    from kasm_recd.surveying import Surveyor

log = get_logger(__name__)


class EncodeStage:
    """One call of :meth:`work` is one attempt at one segment; called from bounded slots."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        encoders: Mapping[str, Encoder],
        surveyor: Surveyor,
        policy: EncodePolicy,
        on_ready: Callable[[Segment], None],
        on_again: Callable[[Segment], None],
        on_waived: Callable[[Segment], None] = lambda _segment: None,
        on_full: Callable[[], None] = lambda: None,
        on_handed_over: Callable[[Segment], None] = lambda _segment: None,
        lacks_follower: Callable[[Segment], bool] = lambda _segment: False,
        now: Callable[[], float],
    ) -> None:
        """``lacks_follower`` says whether the preamble after a segment is wanted and not there.

        ``on_handed_over`` hears of the segment whose follower has one now.
        """
        self._journal = journal
        self._spool = spool
        self._attempts = spool / "attempts"
        self._surveyor = surveyor
        self._policy = policy
        self._on_ready = on_ready
        self._on_again = on_again
        self._failures = Failures(policy=policy, on_full=on_full, now=now)
        self._maker = ClipMaker(
            journal=journal,
            spool=spool,
            encoders=encoders,
            policy=policy,
            on_handed_over=on_handed_over,
            lacks_follower=lacks_follower,
        )
        self._raw = RawWay(
            journal=journal,
            spool=spool,
            failures=self._failures,
            on_ready=on_ready,
            on_again=on_again,
            on_waived=on_waived,
        )

    async def work(self, segment_id: int) -> None:
        """Takes a segment that is sealed or owed a clip one step on.

        Never raises for trouble with the segment itself, or for want of room for its files.
        """
        segment = self._journal.segment(segment_id)
        if segment is None or segment.state not in WAITING:
            return
        preamble = preambles.of(self._spool, segment)
        if preamble is None:
            return  # it is offered again when that is there
        if self._has_to_be_surveyed(segment, preamble):
            segment = await self._survey(segment, preamble)
            if not segment.contents.surveyed:
                self._on_again(segment)
                return
        await self._work_on(segment, preamble)

    def _has_to_be_surveyed(self, segment: Segment, preamble: Preamble) -> bool:
        """Whether that is due now: there is no encode that finds out what it holds on the way."""
        if segment.contents.surveyed or segment.encode_attempts >= self._policy.attempts:
            return False
        return bool(preamble.cause) or not self._maker.reads_along(segment)

    async def _work_on(self, segment: Segment, preamble: Preamble) -> None:
        """The step that is due, once all is known that can be."""
        if preamble.cause:
            await self._raw.give_up(segment, f"no preamble: {preamble.cause}")
        elif segment.encode_attempts >= self._policy.attempts:
            await self._raw.give_up(segment, segment.cause or "gave up")
        elif segment.contents.empty and segment.owed:
            await self._raw.give_up(segment, "empty")
        elif segment.contents.empty:
            await self._raw.go(segment, SegmentEvent.EMPTY, "empty")
        else:
            outcome = await self._attempt(segment, preamble)
            (self._on_again if outcome.state in WAITING else self._on_ready)(outcome)

    async def go_raw(self, segment_id: int) -> None:
        """Sends a sealed segment up raw, with its clip to follow; raises as :meth:`work`."""
        segment = self._journal.segment(segment_id)
        if segment is not None and segment.state is SegmentState.SEALED:
            await self._raw.go(segment, SegmentEvent.PRESSURE, str(SegmentEvent.PRESSURE))

    async def _survey(self, segment: Segment, preamble: Preamble) -> Segment:
        try:
            return await self._surveyor.survey(segment, preamble)
        except (Retried, OperatorError, OSError) as error:
            changes = self._failures.of_attempt(segment, error)
            return await self._journal.update_segment(segment.id, **changes)

    async def _attempt(self, segment: Segment, preamble: Preamble) -> Segment:
        moved = await self._journal.move_segment(segment.id, SegmentEvent.ENCODE)
        token = f"encode-{secrets.token_hex(8)}"
        attempt = await self._journal.begin_attempt(segment.id, "encode", token)
        folder = self._attempts / token
        try:
            changes = await self._clip(moved, preamble, folder, attempt)
        except (Retried, OperatorError, OSError) as error:
            await self._journal.end_attempt(attempt, "failed", str(error))
            changes = self._failure(moved, error)
            return await self._journal.move_segment(moved.id, SegmentEvent.FAILED, **changes)
        finally:
            await asyncio.to_thread(disk.clear, folder)
        if changes is None:
            await self._journal.end_attempt(attempt, "read")
            return await self._journal.move_segment(moved.id, SegmentEvent.FAILED)
        done = await self._journal.move_segment(segment.id, SegmentEvent.ENCODED, **changes)
        await self._journal.end_attempt(attempt, "encoded")
        log.info("segment.encoded", encoder=done.encoder, **done.log_context())
        return done

    async def _clip(
        self, segment: Segment, preamble: Preamble, folder: Path, attempt: int
    ) -> dict[str, Any] | None:
        """The clip that is there already, or is made; None as :meth:`ClipMaker.make`."""
        changes = await self._maker.adopt(segment)
        if changes is None:
            await asyncio.to_thread(folder.mkdir, mode=0o700)
            begun = time.monotonic()
            changes = await self._maker.make(segment, preamble, folder, attempt)
            if changes is not None:
                _count(segment, time.monotonic() - begun)
        return changes

    def _failure(
        self, segment: Segment, error: Retried | OperatorError | OSError
    ) -> dict[str, Any]:
        if segment.contents.surveyed or isinstance(error, OperatorError):
            return self._failures.of_attempt(segment, error)
        return self._failures.of_reading_along(segment, error)


def _count(segment: Segment, seconds: float) -> None:
    metrics.count("kasm_recd_encodes_total", outcome="encoded")
    metrics.count("kasm_recd_encode_seconds_total", seconds)
    metrics.count("kasm_recd_encoded_recorded_seconds_total", segment.duration_ms / 1000)
