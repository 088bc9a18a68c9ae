"""How the destinations of uploads are doing, and when one that failed is asked again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.storage import Store


@dataclass(frozen=True, slots=True)
class BackOff:
    """Time between attempts: ``first_s`` doubled up to ``most_s``, drawn from the upper half."""

    first_s: float = 2.0
    most_s: float = 600.0
    draw: Callable[[], float] = field(default=random.random)

    def after(self, failures: int) -> float:
        """Seconds until the attempt after ``failures`` (at least 1) failed ones."""
        ceiling = min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 20))
        return ceiling * (0.5 + self.draw() / 2)


@dataclass(slots=True)
class Standing:
    """How one bucket or folder is doing: ``failures`` in a row, and since the daemon started.

    ``next_probe_at`` is Unix seconds.
    """

    store: Store | None = None
    failures: int = 0
    failures_since_start: int = 0
    probing: bool = False
    next_probe_at: float = 0.0
    last_error: str = ""

    def asks_for_patience(self, now: float) -> bool:
        """Whether it failed, and is being asked by one upload already, or not to be asked yet."""
        return self.failures > 0 and (self.probing or now < self.next_probe_at)

    def answered(self) -> None:
        """It took everything of a segment."""
        self.failures = 0
        self.last_error = ""

    def failed(self, error: Exception) -> None:
        """It did not; the caller sets when it is asked again."""
        self.failures += 1
        self.failures_since_start += 1
        self.last_error = str(error)
