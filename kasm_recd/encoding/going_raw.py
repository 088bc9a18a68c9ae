"""A segment that goes up as its own bytes: no clip can be made, none is to be, or it follows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kasm_recd import metrics
from kasm_recd.log import get_logger
from kasm_recd.owing import waive
from kasm_recd.packing import parcel_of
from kasm_recd.states import Form, SegmentEvent
from kasm_recd.surveying import unread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.encoding.failures import Failures
    from kasm_recd.journal import Journal
    from kasm_recd.segment import Segment

log = get_logger(__name__)


class RawWay:
    """Makes the raw part and its manifest; without room for them a segment is offered again."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        failures: Failures,
        on_ready: Callable[[Segment], None],
        on_again: Callable[[Segment], None],
        on_waived: Callable[[Segment], None],
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._failures = failures
        self._on_ready = on_ready
        self._on_again = on_again
        self._on_waived = on_waived

    async def give_up(self, segment: Segment, cause: str) -> None:
        """There will be no clip; where the raw segment is stored already, that was it."""
        if segment.owed:
            self._on_waived(await waive(self._journal, segment, cause))
        else:
            await self.go(segment, SegmentEvent.GIVE_UP, cause)

    async def go(self, segment: Segment, event: SegmentEvent, cause: str) -> None:
        """Sends a sealed segment up for ``event``: GIVE_UP, EMPTY, or PRESSURE."""
        owed = event is SegmentEvent.PRESSURE
        known = segment if segment.contents.surveyed else unread(segment)
        named = known.evolve(cause=cause, encoder="", owed=owed)
        seal = parcel_of(named, self._journal, self._spool).seal
        try:
            artifacts = await asyncio.to_thread(seal, Form.RAW, ["raw"], segment.duration_ms)
        except OSError as error:
            changes = self._failures.of_writing(segment, error)
            self._on_again(await self._journal.update_segment(segment.id, **changes))
            return
        raw = await self._journal.move_segment(
            segment.id, event, cause=cause, encoder="", artifacts=artifacts
        )
        metrics.count("kasm_recd_segments_raw_total", cause=str(event))
        if event is SegmentEvent.GIVE_UP:
            log.error("segment.gave_up", cause=cause, **segment.log_context())
        elif owed:
            log.info("segment.raw_first", length=segment.length, **segment.log_context())
        else:
            log.info("segment.empty", **segment.log_context())
        self._on_ready(raw)
