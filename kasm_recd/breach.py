"""What can go wrong between an allow and the last byte of its recording, as values.

guacd fails open: a recording that it cannot create, or cannot write on, is passed over, and the
session goes on. A *breach* is what we saw of that. A *watch* stands from the moment a broker was
told that a session may start until its recording appeared.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class BreachKind(StrEnum):
    """What was seen."""

    NEVER_APPEARED = "never_appeared"  # no recording within appear_within after an allow
    DELETED = "deleted"  # a live session's recording is gone from the folder
    SHRUNK = "shrunk"
    REPLACED = "replaced"  # the file holds another recording
    STALLED = "stalled"  # it does not grow, and its disk is full
    TORN = "torn"  # an instruction is not whole: a write of guacd's failed, or a user broke it


#: While one of these is open no further recorded session may start. TORN is none of them: any user
#: can tear an instruction by what he types, and so could close the gateway for everybody.
REFUSING: Final = frozenset(BreachKind) - {BreachKind.TORN}


class Settled(StrEnum):
    """Why a breach no longer speaks against further sessions."""

    RECORDED = "recorded"  # a recording appeared again, or goes on
    OPERATOR = "operator"  # somebody said so
    NOTED = "noted"  # it never did: it is TORN


@dataclass(frozen=True, slots=True)
class Watch:
    """A session that was allowed at Unix time ``allowed_at``, in the boot ``boot_id``.

    Recordings with an id above ``after_recording`` appeared after that.
    """

    session_id: int
    allowed_at: float
    boot_id: str
    after_recording: int


@dataclass(frozen=True, slots=True)
class Breach:
    """One breach; times are Unix seconds, ``told_at`` is when ``on_breach`` had been run."""

    id: int
    session_id: int
    kasm_id: str
    kind: BreachKind
    at: float
    recording_id: int | None
    size: int | None  # of the recording's file in bytes, where it STALLED
    detail: str
    told_at: float | None
    settled_at: float | None
    settled_by: str

    @property
    def open(self) -> bool:
        """Whether it speaks against further sessions."""
        return self.settled_at is None

    def told(self) -> Mapping[str, Any]:
        """What brokers and operators are told of it."""
        return {
            "breach": str(self.kind),
            "at": self.at,
            "detail": self.detail,
            "settled_at": self.settled_at,
            "settled_by": self.settled_by,
        }
