"""Which ``sync`` timestamps can be believed.

Timestamps are milliseconds of guacd's monotonic clock. They may fall back a little, and stand still
for hours while a desktop is left alone, but time never leaps: one broken digit, or a ``sync`` that
a hostile terminal title made, would otherwise stretch a clip to years.
"""

from __future__ import annotations

from typing import Final

#: A timestamp may lie this much before the last one.
FALL_BACK_MS: Final = 60_000
#: The longest silence between two timestamps in step: a desktop left alone for a day.
SILENCE_MS: Final = 24 * 3_600_000
#: The longest silence right after damage, where anything may pretend to be a ``sync``.
DOUBTFUL_SILENCE_MS: Final = 3_600_000
#: The longest silence that even two timestamps in agreement can prove.
AGREED_SILENCE_MS: Final = 30 * 24 * 3_600_000
#: Beyond this no clock counts milliseconds, and the player cannot.
MAX_TIMESTAMP: Final = 2**53

_MAX_DIGITS: Final = len(str(MAX_TIMESTAMP))


def timestamp_of(text: bytes) -> int | None:
    """The milliseconds that an argument says, or None where it says none."""
    if not text.isdigit() or len(text) > _MAX_DIGITS:
        return None
    timestamp = int(text)
    return timestamp if timestamp <= MAX_TIMESTAMP else None


def follows(timestamp: int, last: int, silence: int = SILENCE_MS) -> bool:
    """Whether ``timestamp`` can come after ``last`` when nothing came for at most ``silence``."""
    return -FALL_BACK_MS <= timestamp - last <= silence


class Timeline:
    """The believed timestamps so far.

    One that leaps is refused; if the next one agrees with it and not with those before, then that
    is the time now. So an error costs itself and never all that comes after it.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._last = 0
        self._alone = True  # nothing has confirmed the first one yet
        self._refused: int | None = None

    def near(self, timestamp: int) -> bool:
        """Whether ``timestamp`` would be believed right after damage."""
        return self._first is None or follows(timestamp, self._last, DOUBTFUL_SILENCE_MS)

    def believe(self, timestamp: int) -> bool:
        """Whether ``timestamp``, read in step, can be; then it is the last one from now on."""
        if self._first is None:
            self._first = timestamp
        elif follows(timestamp, self._last):
            self._alone = False
        elif self._turns(timestamp):
            self._first = timestamp if self._alone else self._first
            self._alone = False
        else:
            self._refused = timestamp
            return False
        self._last, self._refused = timestamp, None
        return True

    def _turns(self, timestamp: int) -> bool:
        """Whether ``timestamp`` and the one refused before it say together what the time is."""
        if self._first is None or self._refused is None or not follows(timestamp, self._refused):
            return False
        return self._alone or self._first <= timestamp <= self._last + AGREED_SILENCE_MS
