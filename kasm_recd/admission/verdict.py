"""May one more recorded session start? A function of values: no clock, no disk.

A session that is not to be recorded is always allowed. Any other is allowed only when nothing
speaks against it; what is unknown, old or no number speaks against it.
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
    """Why a session is refused; stable, with the figures that the answer carries."""

    STAGED_SESSION = "staged_session"  # provision a fresh one
    DRAINING = "draining"
    SETTINGS_INVALID = "settings_invalid"
    FACTS_STALE = "facts_stale"  # age_s, max_age_s
    JOURNAL_CORRUPT = "journal_corrupt"
    RECORDING_DIR_UNUSABLE = "recording_dir_unusable"
    STORAGE_UNCONFIGURED = "storage_unconfigured"
    ENCODER_MISSING = "encoder_missing"
    SESSIONS_UNRECORDED = "sessions_unrecorded"  # guacd lives on without a recording
    DISK_FREE_LOW = "disk_free_low"  # folder, available, min_free (bytes)
    DISK_USED_HIGH = "disk_used_high"  # folder, used_fraction, disk_limit
    NAME_IN_USE = "name_in_use"  # recording_name
    INTERNAL_ERROR = "internal_error"  # the log has the rest


@dataclass(frozen=True, slots=True)
class Room:
    """Room on the file system that holds ``folder``."""

    folder: str
    available: int  # bytes, for one who is not root (f_bavail)
    used_fraction: float  # (blocks - bfree) / blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the daemon knows; an error is one sentence for the operator, None where all is well.

    A room is None where it could not be measured.
    """

    at: float  # time.monotonic() of the measurement
    recording_dir: str
    recording_room: Room | None
    spool_room: Room | None
    min_free: int
    disk_limit: float
    settings_error: str | None = None
    journal_error: str | None = None
    recording_dir_error: str | None = None
    storage_error: str | None = None
    encoder_error: str | None = None
    unrecorded_error: str | None = None
    draining: bool = False


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


def decide(*, record_sessions: bool, staged: bool, facts: Facts, now: float) -> Decision:
    """The answer to one request at ``now`` (time.monotonic())."""
    if not record_sessions:
        return ALLOW
    if staged:
        return Decision(
            Reason.STAGED_SESSION,
            "A staged session started before its recording could be arranged: provision a new one.",
        )
    return verdict(facts, now)


def verdict(facts: Facts, now: float) -> Decision:
    """Whether any recorded session may start at ``now``; the first thing against it is told."""
    for rule in _RULES:
        if refusal := rule(facts, now):
            return refusal
    return ALLOW


def parts(facts: Facts, now: float) -> dict[str, str]:
    """Each part's state in a word: ``ok``, or what is wrong with it."""
    errors = {
        "settings": facts.settings_error,
        "journal": facts.journal_error,
        "recording_dir": facts.recording_dir_error,
        "storage": facts.storage_error,
        "encoder": facts.encoder_error,
        "guacd": facts.unrecorded_error,
    }
    disk = _disk_low(facts, now) or _disk_used(facts, now)
    stale = _stale(facts, now)
    return {name: error or "ok" for name, error in errors.items()} | {
        "disk": disk.message if disk else "ok",
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


def _disk_low(facts: Facts, _now: float) -> Decision | None:
    for room in filter(None, (facts.recording_room, facts.spool_room)):
        # Asked this way round, so that a figure that is no number refuses.
        if not room.available >= facts.min_free:
            return Decision(
                Reason.DISK_FREE_LOW,
                f"{room.available} bytes are free for {room.folder}, {facts.min_free} are wanted.",
                {
                    "folder": room.folder,
                    "available": room.available,
                    "min_free": facts.min_free,
                },
            )
    return None


def _disk_used(facts: Facts, _now: float) -> Decision | None:
    for room in filter(None, (facts.recording_room, facts.spool_room)):
        if not room.used_fraction <= facts.disk_limit:
            return Decision(
                Reason.DISK_USED_HIGH,
                f"{room.used_fraction:.1%} of the disk of {room.folder} is used, "
                f"{facts.disk_limit:.1%} is the limit.",
                {
                    "folder": room.folder,
                    "used_fraction": round(room.used_fraction, 4),
                    "disk_limit": facts.disk_limit,
                },
            )
    return None


#: In the order of telling: what explains most comes first.
_RULES: Final[tuple[Callable[[Facts, float], Decision | None], ...]] = (
    _draining,
    _errors,
    _stale,
    _disk_low,
    _disk_used,
)
