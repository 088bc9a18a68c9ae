"""The states of segments and recordings, and the only tables of legal moves between them.

The two tables below are the whole theory: a state and an event give the next state, and whatever is
not in the table is illegal (:meth:`kasm_recd.segment.Segment.after`). The diagrams in
ARCHITECTURE.md are drawn from them (``python -m tests.diagrams``).
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class SegmentState(StrEnum):
    """Where a segment is on its way into the store."""

    SEALED = "sealed"  # the body is durable in the spool
    ENCODING = "encoding"  # a worker has it
    ENCODED = "encoded"  # clip, thumbnail and manifest are durable and never made again
    RAW = "raw"  # goes up as it is; ``cause`` says why
    UPLOADING = "uploading"
    OWED = "owed"  # went up raw under pressure and is proved; its clip is still to be made
    STORED = "stored"  # every object was put and proved
    PURGED = "purged"  # the local bytes are gone
    EXPIRED = "expired"  # the retention period ended before it could be stored


class SegmentEvent(StrEnum):
    """What happens to a segment."""

    ENCODE = "encode"
    ENCODED = "encoded"
    GIVE_UP = "give_up"
    EMPTY = "empty"
    PRESSURE = "pressure"
    UPLOAD = "upload"
    STORED = "stored"
    OWE = "owe"  # what went up raw under pressure is stored
    WAIVE = "waive"  # no clip will be made of it: the raw segment, which is stored, stands for it
    PURGE = "purge"
    FAILED = "failed"
    RESTART = "restart"
    EXPIRE = "expire"
    RETRY = "retry"


class RecordingState(StrEnum):
    """What is known of the file that guacd writes."""

    GROWING = "growing"
    FINISHED = "finished"  # nobody writes any more
    DRAINED = "drained"  # every byte is in a sealed segment
    REMOVED = "removed"
    LOST = "lost"  # vanished, shrunk or replaced before it was drained


class RecordingEvent(StrEnum):
    """What happens to a recording."""

    FINISH = "finish"
    REOPEN = "reopen"
    DRAIN = "drain"
    REMOVE = "remove"
    LOSE = "lose"


class Form(StrEnum):
    """What goes up for a segment: the clip, or the segment itself."""

    CLIP = "clip"
    RAW = "raw"


_S, _E = SegmentState, SegmentEvent
_R, _V = RecordingState, RecordingEvent

#: (state, event) -> next state. Two moves out of UPLOADING lead back to where the segment came
#: from; they stand in :data:`RETURNS`, keyed by what was going up. So do those out of ENCODING:
#: :data:`OWED_RETURNS` has the way back of a segment that is owed a clip.
SEGMENT_MOVES: Final[Mapping[tuple[SegmentState, SegmentEvent], SegmentState]] = MappingProxyType(
    {
        (_S.SEALED, _E.ENCODE): _S.ENCODING,
        (_S.SEALED, _E.GIVE_UP): _S.RAW,
        (_S.SEALED, _E.EMPTY): _S.RAW,
        (_S.SEALED, _E.PRESSURE): _S.RAW,
        (_S.SEALED, _E.EXPIRE): _S.EXPIRED,
        (_S.ENCODING, _E.ENCODED): _S.ENCODED,
        (_S.ENCODING, _E.FAILED): _S.SEALED,
        (_S.ENCODING, _E.RESTART): _S.SEALED,
        (_S.ENCODED, _E.UPLOAD): _S.UPLOADING,
        (_S.ENCODED, _E.EXPIRE): _S.EXPIRED,
        (_S.RAW, _E.UPLOAD): _S.UPLOADING,
        (_S.RAW, _E.RETRY): _S.SEALED,
        (_S.RAW, _E.EXPIRE): _S.EXPIRED,
        (_S.UPLOADING, _E.STORED): _S.STORED,
        (_S.UPLOADING, _E.OWE): _S.OWED,
        (_S.OWED, _E.ENCODE): _S.ENCODING,
        (_S.OWED, _E.WAIVE): _S.STORED,
        (_S.ENCODED, _E.WAIVE): _S.STORED,
        (_S.STORED, _E.PURGE): _S.PURGED,
    }
)
RETURNS: Final[Mapping[Form, SegmentState]] = MappingProxyType(
    {Form.CLIP: _S.ENCODED, Form.RAW: _S.RAW}
)
OWED_RETURNS: Final[Mapping[SegmentState, SegmentState]] = MappingProxyType({_S.ENCODING: _S.OWED})
RETURNING_EVENTS: Final = frozenset({_E.FAILED, _E.RESTART})

RECORDING_MOVES: Final[Mapping[tuple[RecordingState, RecordingEvent], RecordingState]] = (
    MappingProxyType(
        {
            (_R.GROWING, _V.FINISH): _R.FINISHED,
            (_R.GROWING, _V.LOSE): _R.LOST,
            (_R.FINISHED, _V.REOPEN): _R.GROWING,
            (_R.FINISHED, _V.DRAIN): _R.DRAINED,
            (_R.FINISHED, _V.LOSE): _R.LOST,
            (_R.DRAINED, _V.REOPEN): _R.GROWING,
            (_R.DRAINED, _V.REMOVE): _R.REMOVED,
        }
    )
)
