"""How many requests one user may make; pure."""

from __future__ import annotations

from typing import Final

BURST_S: Final = 4.0  # seconds' worth that may come at once: a restart's queue is such a burst
USERS: Final = 1024  # remembered at once


class Rate:
    """A bucket for each user: filled with ``per_second``, each request takes one. 0 is no limit."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._buckets: dict[int, tuple[float, float]] = {}  # uid -> requests left, at

    def take(self, uid: int, now: float) -> bool:
        """Whether user ``uid`` may make a request at ``now`` (time.monotonic())."""
        most = self.per_second * BURST_S
        if most <= 0:
            return True
        left, at = self._buckets.get(uid, (most, now))
        left = min(most, left + (now - at) * self.per_second)
        if uid not in self._buckets and len(self._buckets) >= USERS:
            self._buckets.pop(next(iter(self._buckets)))
        may = left >= 1
        self._buckets[uid] = (left - may, now)
        return may
