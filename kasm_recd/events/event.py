"""What an entry in the registry is."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["debug", "info", "warning", "error", "critical"]

_NAMESPACE: Final = uuid.UUID("5c1b2a5e-6a0f-4c39-9d0e-3f3f0e6d8a41")

#: What most events of level info ask for.
NOTHING: Final = "Nothing."

#: What ``log_context()`` of a recording and of a segment adds to a line.
RECORDING: Final = ("recording", "path")
SEGMENT: Final = ("segment", "recording", "sequence")
#: What the log makes of one of our own errors (``exc_info``).
ERROR: Final = ("error", "error_class", "hint")


@functools.lru_cache(maxsize=1024)
def message_id(name: str) -> str:
    """The event's journald MESSAGE_ID (32 hex digits), for ever the same for the same name."""
    return uuid.uuid5(_NAMESPACE, name).hex


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of line.

    Args:
        name: ``part.what_happened``; never changed once it was released.
        level: how bad; several where the line's own facts decide.
        fields: what it may carry, each explained in :data:`kasm_recd.events.fields.FIELDS`.
        meaning: what happened, in a sentence.
        action: what the operator does about it.
    """

    name: str
    level: Level | tuple[Level, ...]
    fields: tuple[str, ...]
    meaning: str
    action: str = NOTHING

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels it is logged at."""
        return self.level if isinstance(self.level, tuple) else (self.level,)

    @property
    def message_id(self) -> str:
        """Its MESSAGE_ID."""
        return message_id(self.name)
