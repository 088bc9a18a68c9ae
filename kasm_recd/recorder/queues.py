"""What waits for a slot, and for which: the journal's work, indexed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from kasm_recd.queue import Slots
from kasm_recd.states import SegmentState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kasm_recd.recording import Recording
    from kasm_recd.segment import Segment
    from kasm_recd.settings import Settings

    Work = Callable[[int], Awaitable[None]]


class Queues:
    """Slots for cuts, for what needs a CPU, and for uploads; oldest first within a session."""

    def __init__(
        self,
        settings: Settings,
        *,
        cut: Work,
        replay: Work,
        encode: Work,
        upload: Work,
        now: Callable[[], float],
    ) -> None:
        self._replay = replay
        self._encode = encode
        self.cuts: Slots[int] = Slots("cut", settings.cut_slots, cut, clock=now)
        self.encodes: Slots[Callable[[], Awaitable[None]]] = Slots(
            "encode", settings.session_recording_queue_length, lambda work: work(), clock=now
        )
        self.uploads: Slots[int] = Slots("upload", settings.upload_slots, upload, clock=now)

    def offer_cut(self, recording: Recording, not_before: float = 0.0) -> None:
        """Has a recording looked at for a cut."""
        self.cuts.offer(
            recording.id,
            recording.id,
            lane=str(recording.session_id),
            order=(recording.first_seen_at,),
            not_before=not_before,
        )

    def offer_replay(self, segment: Segment, not_before: float = 0.0) -> None:
        """Has the preamble made that follows this segment."""
        self.encodes.offer(
            ("replay", segment.id),
            functools.partial(self._replay, segment.id),
            lane=str(segment.session_id),
            order=(segment.sealed_at, segment.sequence),
            not_before=not_before,
        )

    def offer(self, segment: Segment) -> None:
        """Into the queue that its state asks for, not before its next attempt is due."""
        self.offer_again(segment, segment.next_attempt_at)

    def offer_again(self, segment: Segment, not_before: float) -> None:
        """Into the queue that its state asks for."""
        order = (segment.sealed_at, segment.sequence)
        lane = str(segment.session_id)
        if segment.state in (SegmentState.SEALED, SegmentState.OWED):
            work = functools.partial(self._encode, segment.id)
            self.encodes.offer(
                ("encode", segment.id), work, lane=lane, order=order, not_before=not_before
            )
        else:
            self.uploads.offer(
                segment.id, segment.id, lane=lane, order=order, not_before=not_before
            )

    def figures(self) -> dict[str, Any]:
        """How many are worked on and how many wait, by queue."""
        return {
            slots.name: {
                "busy": slots.busy,
                "waiting": slots.waiting,
                "oldest_s": round(slots.oldest_s, 1),
            }
            for slots in (self.cuts, self.encodes, self.uploads)
        }
