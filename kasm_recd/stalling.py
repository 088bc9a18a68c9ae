"""Which live recordings stand still on a full disk; a function of what was seen, with no clock.

guacd writes nothing while a session is idle, so standing still says nothing by itself. On a disk
that has no room left it does: whatever the session draws next is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes below which a disk is full for guacd: some of its buffers of 8 KiB.
NO_ROOM: Final = 128 * 1024
#: How long a recording stands still on a full disk before that is a breach, in s; two looks.
PATIENCE_S: Final = 1.0


@dataclass(slots=True)
class Stalls:
    """Remembers, by recording, the size on the full disk and since when it has that."""

    _since: dict[int, tuple[int, float]] = field(default_factory=dict)

    def note(self, sizes: Mapping[int, int], now: float) -> list[int]:
        """The recordings that have stood still for too long at ``now``, in seconds of any clock.

        ``sizes``: bytes of each live recording of which the disk is full; all others have room.
        """
        before = self._since
        self._since = {
            key: before[key] if key in before and before[key][0] == size else (size, now)
            for key, size in sizes.items()
        }
        return [key for key, (_, since) in self._since.items() if now - since >= PATIENCE_S]
