"""guacd's timestamps on the wall clock.

guacd stamps with CLOCK_MONOTONIC in milliseconds, which counts from about the machine's boot and
says nothing of the date. On the same machine and boot, wall-clock time is the timestamp plus the
offset CLOCK_REALTIME - CLOCK_MONOTONIC; the offset moves when the wall clock is set, so it is noted
at each scan together with the boot id. A timestamp counts by the offset of its own moment: what the
wall clock showed then.
"""

from __future__ import annotations

import time
from bisect import bisect_right
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
#: How long after the wall clock was set that may be noted: a scan's interval, and a slow scan.
NOTED_S: Final = 10.0


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


@dataclass(frozen=True, slots=True)
class Scale:
    """One boot's timestamps on the wall clock, by the offsets that were noted in it.

    ``notes`` are pairs, at least one, in rising order: from which second of the monotonic clock on,
    and how many seconds are to be added to it.
    """

    notes: tuple[tuple[float, float], ...]

    def wall(self, timestamp_ms: int) -> float:
        """The Unix time of one of guacd's timestamps; before the first note that one counts."""
        monotonic = timestamp_ms / 1000
        behind = bisect_right(self.notes, monotonic, key=lambda note: note[0])
        return monotonic + self.notes[max(0, behind - 1)][1]

    def moments(self, at: float) -> list[float]:
        """Seconds of the monotonic clock at which the wall clock showed ``at``, rising.

        More than one where it was set back over that time.
        """
        since = [float("-inf"), *(note[0] - NOTED_S for note in self.notes[1:])]
        until = [*(note[0] for note in self.notes[1:]), float("inf")]
        found = [
            at - offset_s
            for (_, offset_s), low, high in zip(self.notes, since, until, strict=True)
            if low <= at - offset_s < high
        ]
        return found or [at - self.notes[-1][1]]

    def span(self, first_ms: int, last_ms: int) -> tuple[float, float]:
        """Both on the wall clock; one that was set back in between was right afterwards."""
        began, ended = self.wall(first_ms), self.wall(last_ms)
        if ended < began:
            began = ended - (last_ms - first_ms) / 1000
        return began, ended


def is_local(
    scale: Scale, *, birth_ns: int, first_sync: int, last_sync: int, last_seen_at: float
) -> bool:
    """Whether a recording was stamped by the clock that ``scale`` belongs to.

    A recording that was copied here, or that another boot wrote, carries timestamps of another
    clock. Those of the right one lie between the file's birth (``birth_ns``, Unix nanoseconds) and
    the moment it was last seen (``last_seen_at``, Unix seconds), give or take; ``first_sync`` and
    ``last_sync`` are guacd's milliseconds. A file system without birth times (0) proves nothing,
    and that means no.
    """
    if not birth_ns:
        return False
    earliest = scale.moments(birth_ns / 1e9)[0] - BEFORE_BIRTH_S
    latest = scale.moments(last_seen_at)[-1] + AFTER_LAST_SEEN_S
    return earliest <= first_sync / 1000 and last_sync / 1000 <= latest
