"""A recording as a value: the file that guacd writes; it is cut into segments.

A move that is not in the table of legal moves raises :class:`~kasm_recd.errors.IllegalMove` and
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kasm_recd.errors import IllegalMove
from kasm_recd.states import RECORDING_MOVES

if TYPE_CHECKING:
    from kasm_recd.states import RecordingEvent, RecordingState


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
