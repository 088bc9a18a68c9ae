"""guacd's timestamps on the wall clock.

guacd stamps with CLOCK_MONOTONIC in milliseconds, which counts from about the machine's boot and
says nothing of the date. On the same machine and boot, wall-clock time is the timestamp plus the
offset CLOCK_REALTIME - CLOCK_MONOTONIC; the offset moves when the wall clock is set, so it is noted
at each scan together with the boot id.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

#: How long before its file's birth a recording may have been stamped: guacd stamps the frame when
#: it begins and opens the file as it connects; clocks are adjusted in between.
BEFORE_BIRTH_S: Final = 5.0
#: How long after it was last seen a recording may have been stamped: the scan's own time.
AFTER_LAST_SEEN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Both clocks at one moment.

    ``realtime`` is Unix seconds, ``monotonic_ms`` guacd's milliseconds, ``offset_s`` what to add
    to the second for the first, ``boot_id`` the kernel's name for this run of the machine.
    """

    realtime: float
    monotonic_ms: int
    offset_s: float
    boot_id: str


class Clock:
    """Reads this machine's clocks; the boot id is read once."""

    def __init__(
        self,
        *,
        realtime: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        boot_id: Path = BOOT_ID,
    ) -> None:
        """Raises OSError where the kernel's boot id cannot be read."""
        self._realtime = realtime
        self._monotonic = monotonic
        self._boot_id = boot_id.read_text(encoding="ascii").strip()

    def now(self) -> ClockReading:
        """Both clocks, read one after the other."""
        realtime, monotonic = self._realtime(), self._monotonic()
        return ClockReading(
            realtime=realtime,
            monotonic_ms=int(monotonic * 1000),
            offset_s=realtime - monotonic,
            boot_id=self._boot_id,
        )


def wall(timestamp_ms: int, offset_s: float) -> float:
    """The Unix time of one of guacd's timestamps."""
    return timestamp_ms / 1000 + offset_s


def is_local(
    *, birth_ns: int, first_sync: int, last_sync: int, offset_s: float, last_seen_at: float
) -> bool:
    """Whether a recording was stamped by the clock that ``offset_s`` belongs to.

    A recording that was copied here, or that another boot wrote, carries timestamps of another
    clock. Those of the right one lie between the file's birth (``birth_ns``, Unix nanoseconds) and
    the moment it was last seen (``last_seen_at``, Unix seconds), give or take; ``first_sync`` and
    ``last_sync`` are guacd's milliseconds. A file system without birth times (0) proves nothing,
    and that means no.
    """
    if not birth_ns:
        return False
    earliest = birth_ns / 1e9 - BEFORE_BIRTH_S
    latest = last_seen_at + AFTER_LAST_SEEN_S
    return earliest <= wall(first_sync, offset_s) and wall(last_sync, offset_s) <= latest
