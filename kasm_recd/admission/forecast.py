"""When will the disk be full? From the rates at which it is written and drained; pure.

Written is what recordings grew by. Drained is what came back beside that, by the file system's own
count, so it is negative where somebody else fills the disk. Both are smoothed: weights fall by 1/e
in ``MEMORY_S``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMORY_S: Final = 60.0
#: A forecast needs so many seconds of looks.
LEARNING_S: Final = 5.0
#: Beyond a month a forecast is no news.
FAR_S: Final = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Look:
    """What was measured at ``at`` (time.monotonic()): free bytes, and each recording's size."""

    at: float
    available: int
    sizes: Mapping[int, int] = field(default_factory=dict)


class Forecast:
    """Rates in bytes a second of one file system."""

    def __init__(self) -> None:
        self.written = 0.0
        self.drained = 0.0
        self._learnt_s = 0.0
        self._last: Look | None = None

    def learn(self, look: Look) -> None:
        """Takes one more look; one that is not later than the last is passed over."""
        last = self._last
        if last is not None and look.at <= last.at:
            return
        self._last = look
        if last is None:
            return
        elapsed = look.at - last.at
        grown = sum(max(0, size - last.sizes.get(key, 0)) for key, size in look.sizes.items())
        came_back = look.available - last.available + grown
        self._learnt_s += elapsed
        # The first looks weigh by the time they cover, so that the start is not taken for zero.
        weight = max(1 - math.exp(-elapsed / MEMORY_S), elapsed / self._learnt_s)
        self.written += weight * (grown / elapsed - self.written)
        self.drained += weight * (came_back / elapsed - self.drained)

    def full_in_s(self) -> float | None:
        """Seconds until no byte is free; None where it is not filling, or not known yet."""
        filling = self.written - self.drained
        if self._last is None or self._learnt_s < LEARNING_S or filling <= 0:
            return None
        seconds = max(0, self._last.available) / filling
        return round(seconds, 1) if seconds <= FAR_S else None
