"""The end of a debt: a segment that went up raw under pressure gets no clip after all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kasm_recd.log import get_logger
from kasm_recd.states import SegmentEvent

if TYPE_CHECKING:
    from kasm_recd.journal import Journal
    from kasm_recd.segment import Segment

log = get_logger(__name__)


async def waive(journal: Journal, segment: Segment, cause: str) -> Segment:
    """No clip will be made of an owed segment: its raw bytes, which are stored, stand for it."""
    waived = await journal.move_segment(segment.id, SegmentEvent.WAIVE, cause=cause)
    log.warning(
        "clip.waived",
        cause=cause,
        kasm_id=journal.owner(segment).kasm_id,
        length=segment.length,
        **segment.log_context(),
    )
    return waived
