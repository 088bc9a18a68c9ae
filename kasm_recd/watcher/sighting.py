"""What one scan saw, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kasm_recd.clock import ClockReading
    from kasm_recd.recording import Identity, Recording


class Evidence(StrEnum):
    """Why a recording is taken to be finished; never by its modification time."""

    LOCK_GONE = "lock_gone"  # a lock was once seen on it and is gone
    NOT_OPEN = "not_open"  # no lock ever seen, and the kernel says that nobody has it open
    CLOSED_AND_QUIET = "closed_and_quiet"  # that cannot be known; it was closed and stayed quiet
    QUIET_UNSEEN = "quiet_unseen"  # nor was a close seen; it stayed quiet for very long


class Loss(StrEnum):
    """Why a recording that the journal knows is no longer what it was."""

    VANISHED = "vanished"
    SHRUNK = "shrunk"
    REPLACED = "replaced"  # the same file holds another recording


@dataclass(frozen=True, slots=True)
class Sighting:
    """One recording as it lay in the folder; sizes in bytes, times in Unix seconds.

    ``recording`` is the journal's row that it was matched with, None for a new one. ``locked`` is
    about now, ``lock_seen`` about any time; ``lock_pid`` is 0 where the holder is not of this pid
    namespace. ``open_for_writing`` is the lease's verdict, asked only where no lock was ever seen;
    None means not asked or not to be known.

    ``finished`` is judged at every scan, whatever the journal says by now. ``grew_again`` is true
    when the journal calls the recording finished or drained, and it is locked or has grown since.
    ``overwritten`` is the file's size where a recording began over another one in it.
    ``ended_at`` is the best guess at the end of a finished one; ``end_known`` says that the end was
    seen, by its event or between two scans.
    """

    path: Path
    identity: Identity
    size: int
    allocated: int
    mtime: float
    at: float
    locked: bool
    lock_pid: int | None
    lock_seen: bool
    open_for_writing: bool | None
    recording: Recording | None
    finished: Evidence | None = None
    grew_again: bool = False
    ended_at: float | None = None
    end_known: bool = False
    overwritten: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """All of one look at the folder.

    ``lost`` has the recordings, by id, that are gone or are no longer what they were; one that
    shrank or was replaced is also sighted, as new. ``folder_error`` says why the folder cannot be
    used; where it cannot even be read nothing was seen, and nothing is called lost.
    """

    clock: ClockReading
    sightings: tuple[Sighting, ...] = ()
    lost: Mapping[int, Loss] = field(default_factory=dict)
    folder_error: str | None = None

    @property
    def at(self) -> float:
        """When the scan began, in Unix seconds."""
        return self.clock.realtime
