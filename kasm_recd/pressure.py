"""How short the room on a disk is, in four words; a function of values.

Above ``near`` nothing is done. A level is left for a better one only when the room is an eighth
above its mark, so that a segment more or less does not make it flap.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

#: What part of the floor is left when clips that are owed are waived for their room.
DIRE: Final = 2
#: A disk is never called near full while more of it than one in so many is free.
NEAR_SHARE: Final = 4
#: At each level recordings are cut at the segment's usual size divided by this.
CUTS: Final = (1, 4, 8, 8)
SMALLEST_CUT: Final = 1_000_000  # bytes


class Level(IntEnum):
    """What is done for room; each level does what those before it do."""

    EASY = 0  # nothing
    NEAR = (
        1  # cuts come earlier, uploads go before encodes, what encoding cannot keep up with is raw
    )
    SHORT = 2  # everything goes up raw
    DIRE = 3  # clips that are owed are waived, so that their segments' room comes back

    @property
    def word(self) -> str:
        """As the log has it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Marks:
    """In bytes: below which room each level begins."""

    near: int
    floor: int

    @classmethod
    def of(cls, *, min_free: int, segment_size: int, total: int) -> Marks:
        """``min_free`` is the floor; near it is a segment more, a quarter of the disk at most."""
        return cls(max(min_free, min(min_free + segment_size, total // NEAR_SHARE)), min_free)

    def level(self, available: int, before: Level) -> Level:
        """The level with ``available`` bytes free, after ``before``."""
        found = self._at(available)
        return found if found >= before else min(before, self._at(available * 8 // 9))

    def _at(self, available: int) -> Level:
        if available < self.floor // DIRE:
            return Level.DIRE
        if available < self.floor:
            return Level.SHORT
        return Level.NEAR if available < self.near else Level.EASY


def cut_size(usual: int, level: Level) -> int:
    """How many bytes are cut at once."""
    return min(usual, max(SMALLEST_CUT, usual // CUTS[level]))


class Turn(IntEnum):
    """What becomes of a segment whose turn it is to be encoded."""

    ENCODE = 0
    RAW = 1
    WAIT = 2


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do: segments that wait for a clip and uploads, and how the store is.

    ``backlog`` counts the sealed segments that no worker has, ``slots`` the workers.
    """

    backlog: int
    slots: int
    uploads: int
    store_answers: bool
    raw_allowed: bool


def turn(level: Level, work: Work, *, owed: bool) -> Turn:
    """Whose turn it is: the clip's, the upload's, or that of the raw segment.

    While the store does not answer nothing gains room: then clips are made while there is some.
    """
    if level is Level.EASY:
        return Turn.ENCODE
    if owed:  # it keeps its room until it has its clip, but everything else gains more
        idle = not (work.uploads or work.backlog)
        return Turn.ENCODE if idle and level < Level.DIRE else Turn.WAIT
    if not work.store_answers:
        return Turn.ENCODE if level is Level.NEAR or not work.raw_allowed else Turn.WAIT
    if work.raw_allowed and (level >= Level.SHORT or work.backlog > work.slots):
        return Turn.RAW
    return Turn.WAIT if work.uploads else Turn.ENCODE
