"""A segment as a value; what moves it is in :mod:`kasm_recd.states`.

Each segment has a *body* (bytes ``start`` to ``start + length`` of its recording, verbatim). The
clip is made from the segment.

A move that is not in the table of legal moves raises :class:`~kasm_recd.errors.IllegalMove` and
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kasm_recd.errors import IllegalMove
from kasm_recd.states import (
    OWED_RETURNS,
    RETURNING_EVENTS,
    RETURNS,
    SEGMENT_MOVES,
    Form,
    SegmentEvent,
    SegmentState,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kasm_recd.contents import Contents


def place(recording_id: int, start: int) -> str:
    """What is named after a segment, by its recording and its first byte there."""
    return f"{recording_id:08d}-{start:015d}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a segment that goes up, in the segment's folder of the spool.

    ``role`` is ``clip``, ``thumbnail``, ``sprites``, ``sprite_index``, ``activity``, ``raw`` or
    ``manifest``.
    """

    role: str
    name: str
    size: int
    sha256: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One cut of a recording, on its way into the store."""

    id: int
    session_id: int
    recording_id: int
    sequence: int  # within the session, from 0
    start: int
    length: int
    sha256: str
    contents: Contents
    began_at: float  # Unix seconds of the first sync
    ended_at: float  # Unix seconds of the clip's end
    end_timestamp: int  # the clip's end on guacd's clock, ms
    end_known: bool
    sealed_at: float
    sealed_uptime: float  # the daemon's total time up, in s, when it was sealed
    state: SegmentState = SegmentState.SEALED
    form: Form | None = None
    cause: str = ""
    encoder: str = ""
    encode_attempts: int = 0
    upload_attempts: int = 0
    next_attempt_at: float = 0.0
    destination: str = ""  # where the objects go, without the key
    key: str = ""  # of the clip, or of the segment itself
    artifacts: tuple[Artifact, ...] = ()
    proofs: Mapping[str, str] = field(default_factory=dict)  # role -> "means:value"
    owed: bool = False  # it went, or goes, up raw under pressure, and a clip is to follow

    @property
    def raw_is_stored(self) -> bool:
        """Of a segment that is owed a clip: whether its bytes are safe in the store already."""
        safe = {SegmentState.OWED, SegmentState.ENCODING, SegmentState.ENCODED}
        going_up = self.state is SegmentState.UPLOADING and self.form is Form.CLIP
        return self.owed and (self.state in safe or going_up)

    @property
    def end(self) -> int:
        """Offset in the recording behind the segment's last byte."""
        return self.start + self.length

    @property
    def folder(self) -> str:
        """Name of the segment's folder in the spool: (recording id, start offset)."""
        return place(self.recording_id, self.start)

    @property
    def duration_ms(self) -> int:
        """From the first ``sync`` to the clip's end."""
        first = self.contents.first_sync
        return 0 if first is None else max(0, self.end_timestamp - first)

    def after(self, event: SegmentEvent) -> SegmentState:
        """The state that ``event`` leads to; raises IllegalMove and changes nothing otherwise."""
        if self.state is SegmentState.UPLOADING and event in RETURNING_EVENTS and self.form:
            return RETURNS[self.form]
        if self.owed and event in RETURNING_EVENTS and self.state in OWED_RETURNS:
            return OWED_RETURNS[self.state]
        after = SEGMENT_MOVES.get((self.state, event))
        if after is None or not self._allows(event):
            message = f"segment {self.id} is {self.state}: '{event}' is not a legal move"
            raise IllegalMove(message)
        return after

    def _allows(self, event: SegmentEvent) -> bool:
        """What a segment that is owed a clip may do and no other, and the other way round.

        Its raw bytes going up are not all of it; once they are stored it cannot be lost any more.
        """
        going_up_owed = self.owed and self.form is Form.RAW
        match event:
            case SegmentEvent.OWE:
                return going_up_owed
            case SegmentEvent.STORED:
                return not going_up_owed
            case SegmentEvent.WAIVE:
                return self.raw_is_stored
            case SegmentEvent.EXPIRE:
                return not self.raw_is_stored
            case _:
                return True

    def evolve(self, **changes: Any) -> Segment:
        """A copy with ``changes``."""
        return replace(self, **changes)

    def log_context(self) -> dict[str, Any]:
        """What a log line about this segment says of it."""
        return {"segment": self.id, "recording": self.recording_id, "sequence": self.sequence}
