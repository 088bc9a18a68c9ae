"""Room kept back for the day when the disk is full.

guacd passes over a write that fails, and on a full disk neither the journal nor a cut could write
what would free space. So the spool holds a file whose only worth is its room. It is given up when a
write of ours was refused, or when the room left is less than a step: a write of guacd's that was
refused is seen by nobody. Cuts then go in steps so small that the ballast's room holds several, and
each hands back what it copied. When the floor is free again, and the ballast's room above it, the
ballast is made again.
"""

from __future__ import annotations

import enum
import os
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kasm_recd import disk
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = get_logger(__name__)

NAME: Final = "ballast"
#: How many steps the ballast's room holds: 8 MB each of 64 MB.
STEPS: Final = 8
MAKE_AGAIN_S: Final = 60.0  # after a try that failed


class Move(enum.Enum):
    """What is to be done with the ballast."""

    NONE = enum.auto()
    GIVE_UP = enum.auto()
    MAKE = enum.auto()


@dataclass(frozen=True, slots=True)
class Plan:
    """In bytes: how large the ballast is (0: there is none), and what is to be free beside it."""

    size: int
    min_free: int

    @property
    def step(self) -> int:
        """How much is cut at once on a full disk."""
        return self.size // STEPS

    @property
    def floor(self) -> int:
        """What is to be free beside the ballast, so that it is not made only to be given up."""
        return max(self.min_free, self.step)

    def for_disk(self, folder: Path) -> Plan:
        """This plan, or one without a ballast where the folder's disk is too small for it.

        Said once, at the start: without room for both nothing could ever be kept back, and cuts
        would go in steps for ever.
        """
        total = disk.free(folder).total
        if not self.size or total >= self.size + self.floor:
            return self
        log.error(
            "disk.ballast_impossible",
            folder=str(folder),
            ballast=self.size,
            floor=self.floor,
            total=total,
            hint="Nothing is kept back for a full disk. Put spool_dir on a larger disk, or choose "
            "a smaller ballast_size, min_free or segment_size.",
        )
        return replace(self, size=0)

    def move(self, available: int, *, held: bool, refused: bool) -> Move:
        """What to do with ``available`` bytes free; ``refused``: a write found no room just now."""
        if held:
            return Move.GIVE_UP if refused or available < self.step else Move.NONE
        if self.size and not refused and available >= self.floor + self.size:
            return Move.MAKE
        return Move.NONE

    def cut_step(self, available: int, *, held: bool) -> int | None:
        """How much to cut at once; None where the disk is no reason to cut less than usual."""
        if self.size and not held and available < self.floor:
            return self.step
        return None


class Ballast:
    """The file, and how cuts go with it or without; one lock over looks from several threads."""

    def __init__(
        self, spool: Path, plan: Plan, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = spool / NAME
        self._plan = plan
        self._clock = clock
        self._make_not_before = clock()
        self._lock = threading.Lock()
        #: How much to cut at once, after the last look; None: as much as usual.
        self.cut_step: int | None = None

    def look(self, *, refused: bool = False) -> None:
        """Gives the ballast up or makes it, as the disk is now; raises OSError."""
        with self._lock:
            move = self._plan.move(self._available(), held=self._is_held(), refused=refused)
            if move is Move.GIVE_UP:
                self._give_up(refused=refused)
            elif move is Move.MAKE and self._clock() >= self._make_not_before:
                self._make()
            self.cut_step = self._plan.cut_step(self._available(), held=self._is_held())

    def _available(self) -> int:
        return disk.free(self._path.parent).available

    def _is_held(self) -> bool:
        """Whether it lies there, as large as it is asked for; any other goes."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return False
        if size == self._plan.size:
            return True
        disk.clear(self._path)
        return False

    def _give_up(self, *, refused: bool) -> None:
        before = self._available()
        disk.clear(self._path)
        disk.fsync_folder(self._path.parent)
        log.critical(
            "disk.ballast_given_up",
            folder=str(self._path.parent),
            available=before,
            refused=refused,
            ballast=self._plan.size,
            hint="The disk is full, and what guacd cannot write now is lost. Recordings are cut in "
            "small steps until there is room: free some, and see that uploads go on.",
        )

    def _make(self) -> None:
        """Whole or not at all: what has the name has the room."""
        growing = self._path.with_name(f"{disk.HIDDEN_PREFIX}{NAME}")
        try:
            descriptor = os.open(growing, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._plan.size)
            finally:
                os.close(descriptor)
            growing.rename(self._path)
        except OSError as error:
            disk.clear(growing)
            self._make_not_before = self._clock() + MAKE_AGAIN_S
            log.warning(
                "disk.ballast_failed",
                folder=str(self._path.parent),
                error=str(error),
                hint="Nothing is kept back for a full disk until this works.",
            )
            return
        log.info(
            "disk.ballast_made",
            folder=str(self._path.parent),
            ballast=self._plan.size,
            available=self._available(),
        )
