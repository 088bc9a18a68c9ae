"""How much room a file system has left."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kasm_recd.errors import DiskFull

if TYPE_CHECKING:
    from pathlib import Path

#: Below this many available bytes a write that failed is taken to have failed for want of room.
FULL: Final = 1_000_000
#: What the kernel says where there is no room.
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system's room, in bytes and inodes, as ``statvfs`` has it.

    ``free`` counts the blocks kept for root, ``available`` does not. ``used_fraction`` is
    ``(blocks - bfree) / blocks``, the figure that Kasm's disk limit is compared with. Some file
    systems (btrfs) have no fixed number of inodes: then ``inodes_total`` is 0.
    """

    total: int
    free: int
    available: int
    used_fraction: float
    inodes_total: int
    inodes_free: int

    @property
    def full(self) -> bool:
        """No room for anything of size, or no inode for another file."""
        return self.available < FULL or (self.inodes_total > 0 and self.inodes_free == 0)


def free(path: Path) -> Disk:
    """The room of the file system that holds ``path``; raises OSError."""
    found = os.statvfs(path)
    blocks = found.f_blocks
    return Disk(
        total=blocks * found.f_frsize,
        free=found.f_bfree * found.f_frsize,
        available=found.f_bavail * found.f_frsize,
        used_fraction=(blocks - found.f_bfree) / blocks if blocks else 0.0,
        inodes_total=found.f_files,
        inodes_free=found.f_favail,
    )


def says_full(error: BaseException) -> bool:
    """Whether an error, or one of a group, says that there was no room."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(says_full, error.exceptions))
    return isinstance(error, DiskFull) or getattr(error, "errno", None) in NO_ROOM


def is_full(path: Path) -> bool:
    """Whether the file system that holds ``path`` has no room left; raises OSError.

    Ask while the half-written file still lies there: once it is deleted its room is back.
    """
    return free(path).full
