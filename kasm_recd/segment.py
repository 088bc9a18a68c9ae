"""Sessions, recordings and segments as values, their states, and the only tables of legal moves.

A recording is the file that guacd writes. It is cut into segments; each has a *body* (bytes
``start`` to ``start + length`` of the recording, verbatim). The clip is made from the segment.

The two tables below are the whole theory: a state and an event give the next state, and whatever is
not in the table is illegal, raises :class:`~kasm_recd.errors.IllegalMove` and changes nothing. The
diagrams in ARCHITECTURE.md are drawn from them (``python -m tests.diagrams``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kasm_recd.errors import IllegalMove

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


@dataclass(frozen=True, slots=True)
class Session:
    """One Kasm session; ``announced`` is false when no broker ever spoke of it.

    Timestamps are strings as the broker gave them (ISO 8601, UTC), ``admitted_at`` is Unix seconds.
    """

    kasm_id: str
    user_id: str
    username: str
    image_id: str
    image_friendly_name: str
    created_timestamp: str
    start_timestamp: str
    recording_name: str
    admitted_at: float
    announced: bool = True
    id: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file this is; an inode number alone comes back at once after a delete.

    ``birth_ns`` is statx's birth time in nanoseconds (0 where the file system has none) and
    ``head_sha256`` the hex digest of the first ``head_length`` (at most 4,096) bytes.
    """

    device: int
    inode: int
    birth_ns: int
    head_length: int = 0
    head_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that guacd writes or wrote; ``consumed`` bytes of it are in sealed segments.

    It may have begun over another recording in the same file (``recording-write-existing``), of
    ``overwritten`` bytes: while the file has no more, nobody can tell what in it is new.
    """

    id: int
    session_id: int
    path: str
    identity: Identity
    state: RecordingState
    consumed: int
    lock_seen: bool
    boot_id: str
    first_seen_at: float
    ended_at: float | None = None
    end_known: bool = False
    overwritten: int = 0

    def after(self, event: RecordingEvent) -> RecordingState:
        """The state that ``event`` leads to; raises IllegalMove and changes nothing otherwise."""
        try:
            return RECORDING_MOVES[self.state, event]
        except KeyError:
            message = f"recording {self.id} is {self.state}: '{event}' is not a legal move"
            raise IllegalMove(message) from None

    def log_context(self) -> dict[str, Any]:
        """What a log line about this recording says of it."""
        return {"recording": self.id, "path": self.path}


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes ``start`` to ``end`` of a recording that could not be read, or cannot be trusted.

    ``kind`` is ``invalid``, ``torn`` (the file ends inside an instruction), ``doubtful`` (read
    after an invalid one, before the next ``sync``), ``unsupported`` or ``oversize`` (no ``sync``
    where a cut was due: nothing is lost, but the segment is larger than it should be).
    """

    start: int
    end: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a segment holds, as the cut worker read it; timestamps are guacd's milliseconds.

    Of a segment that does not begin its recording, the ``sync`` and the display at its preamble's
    end count as its first. ``end_width`` and ``end_height`` are the display's at its own end.
    ``surveyed`` is false where only the ends were read: then ``first_sync`` and ``last_sync`` are
    right, and nothing else is known.
    """

    first_sync: int | None = None
    last_sync: int | None = None
    sync_count: int = 0
    longest_gap_ms: int = 0
    width: int = 0
    height: int = 0
    drawn: bool = False
    contains_keys: bool = False
    contains_audio: bool = False
    damage: tuple[Damage, ...] = ()
    end_width: int = 0
    end_height: int = 0
    surveyed: bool = True

    @property
    def empty(self) -> bool:
        """Nothing that a clip could show: no picture, no size, or no ``sync``."""
        return not (self.drawn and self.sync_count and self.width and self.height)


def contents_to_json(contents: Contents) -> dict[str, Any]:
    """``contents`` as plain values, the damage as a list of such; JSON can hold them."""
    plain = asdict(contents)
    return plain | {"damage": list(plain["damage"])}


def contents_from_json(plain: Mapping[str, Any]) -> Contents:
    """The inverse of :func:`contents_to_json`; raises TypeError for any other shape."""
    damage = tuple(Damage(**place) for place in plain.get("damage", ()))
    return Contents(**{**plain, "damage": damage})


def place(recording_id: int, start: int) -> str:
    """What is named after a segment, by its recording and its first byte there."""
    return f"{recording_id:08d}-{start:015d}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a segment that goes up, in the segment's folder of the spool.

    ``role`` is ``clip``, ``thumbnail``, ``raw`` or ``manifest``.
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
        safe = {_S.OWED, _S.ENCODING, _S.ENCODED}
        going_up = self.state is _S.UPLOADING and self.form is Form.CLIP
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
