"""What speaks against any recorded session, room aside: a function of values, no clock, no disk.

What is unknown, old or no number speaks against it. Room is the :mod:`gate`'s business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_FACTS_AGE_S: Final = 5.0


class Reason(StrEnum):
    """Why a request is refused; stable, with the figures that the answer carries."""

    STAGED_SESSION = "staged_session"  # provision a fresh one
    DRAINING = "draining"
    SETTINGS_INVALID = "settings_invalid"
    FACTS_STALE = "facts_stale"  # age_s, max_age_s
    JOURNAL_CORRUPT = "journal_corrupt"
    RECORDING_DIR_UNUSABLE = "recording_dir_unusable"
    STORAGE_UNCONFIGURED = "storage_unconfigured"
    ENCODER_MISSING = "encoder_missing"
    SESSIONS_UNRECORDED = "sessions_unrecorded"  # guacd lives on without a recording
    DISK_FREE_LOW = "disk_free_low"  # folder, available, needed, min_free (bytes), sessions
    DISK_USED_HIGH = "disk_used_high"  # folder, used_fraction, disk_limit
    INODES_LOW = "inodes_low"  # folder, inodes_free, needed, inodes_floor
    NAME_IN_USE = "name_in_use"  # recording_name
    PEER_NOT_ALLOWED = "peer_not_allowed"  # uid, gid
    RATE_LIMITED = "rate_limited"  # rate (requests a second of one user)
    INTERNAL_ERROR = "internal_error"  # the log has the rest


@dataclass(frozen=True, slots=True)
class Room:
    """Room on the file system that holds ``folder``; ``device`` says which one that is.

    A file system without a fixed number of inodes has an ``inodes_total`` of 0.
    """

    folder: str
    available: int  # bytes, for one who is not root (f_bavail)
    used_fraction: float  # (blocks - bfree) / blocks
    device: int = 0
    inodes_free: int = 0
    inodes_total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the daemon knows; an error is one sentence for the operator, None where all is well.

    A room is None where it could not be measured. ``live`` has the sessions with a recording that
    is not all in segments yet: ``kasm_id`` -> bytes that the uncut part takes on the recordings'
    file system, measured before the rooms were.
    """

    at: float  # time.monotonic() of the measurement
    recording_dir: str
    recording_room: Room | None
    spool_room: Room | None
    min_free: int
    disk_limit: float
    reserve: int = 0  # bytes that one session may need at once
    live: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    #: What live sessions lack of their reserves on the recordings' file system, in all.
    rest: int = field(init=False, default=0)
    settings_error: str | None = None
    journal_error: str | None = None
    recording_dir_error: str | None = None
    storage_error: str | None = None
    encoder_error: str | None = None
    unrecorded_error: str | None = None
    draining: bool = False

    def __post_init__(self) -> None:
        rest = sum(max(0, self.reserve - size) for size in self.live.values())
        object.__setattr__(self, "rest", rest)

    @property
    def rooms(self) -> tuple[Room, ...]:
        """The measured file systems, each once; the recordings' first."""
        first, second = self.recording_room, self.spool_room
        if first is not None and second is not None and first.device == second.device != 0:
            return (first,)
        return tuple(room for room in (first, second) if room is not None)


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow (no reason), or refuse with the reason, a sentence and the figures behind it."""

    reason: Reason | None = None
    message: str = ""
    figures: Mapping[str, str | int | float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def allow(self) -> bool:
        """Whether the session may start."""
        return self.reason is None


ALLOW: Final = Decision()


STAGED: Final = Decision(
    Reason.STAGED_SESSION,
    "A staged session started before its recording could be arranged: provision a new one.",
)


def objection(facts: Facts, now: float) -> Decision | None:
    """The first thing that speaks against any recorded session at ``now`` (time.monotonic())."""
    for rule in _RULES:
        if refusal := rule(facts, now):
            return refusal
    return None


def parts(facts: Facts, now: float, room: Decision | None) -> dict[str, str]:
    """Each part's state in a word: ``ok``, or what is wrong with it; ``room`` is the gate's say."""
    errors = {
        "settings": facts.settings_error,
        "journal": facts.journal_error,
        "recording_dir": facts.recording_dir_error,
        "storage": facts.storage_error,
        "encoder": facts.encoder_error,
        "guacd": facts.unrecorded_error,
    }
    stale = _stale(facts, now)
    return {name: error or "ok" for name, error in errors.items()} | {
        "disk": room.message if room else "ok",
        "facts": stale.message if stale else "ok",
        "admission": "draining" if facts.draining else "ok",
    }


def _draining(facts: Facts, _now: float) -> Decision | None:
    if not facts.draining:
        return None
    return Decision(Reason.DRAINING, "The daemon is draining: it takes no more recorded sessions.")


def _errors(facts: Facts, _now: float) -> Decision | None:
    for reason, error in (
        (Reason.SETTINGS_INVALID, facts.settings_error),
        (Reason.JOURNAL_CORRUPT, facts.journal_error),
        (Reason.RECORDING_DIR_UNUSABLE, facts.recording_dir_error),
        (Reason.STORAGE_UNCONFIGURED, facts.storage_error),
        (Reason.ENCODER_MISSING, facts.encoder_error),
        (Reason.SESSIONS_UNRECORDED, facts.unrecorded_error),
    ):
        if error is not None:
            return Decision(reason, error)
    return None


def _stale(facts: Facts, now: float) -> Decision | None:
    age = now - facts.at
    unmeasured = facts.recording_room is None or facts.spool_room is None
    if 0 <= age <= MAX_FACTS_AGE_S and not unmeasured:
        return None
    message = (
        "The room on the disks could not be measured."
        if unmeasured
        else f"What is known of the disks is {age:.1f} s old."
    )
    figures = {"max_age_s": MAX_FACTS_AGE_S}
    if math.isfinite(age):  # else nothing was ever measured
        figures["age_s"] = round(age, 3)
    return Decision(Reason.FACTS_STALE, message, figures)


#: In the order of telling: what explains most comes first.
_RULES: Final[tuple[Callable[[Facts, float], Decision | None], ...]] = (
    _draining,
    _errors,
    _stale,
)
