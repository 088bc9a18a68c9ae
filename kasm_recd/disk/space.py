"""How much room a file system has left."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

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
