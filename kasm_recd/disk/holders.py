"""Who has a file open: POSIX locks and leases, asked for without disturbing anybody.

Neither answer is sure everywhere. Locks may be invisible over NFS, FUSE or from another machine; a
lease needs the file's ownership or CAP_LEASE and a file system that knows leases.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kasm_recd.disk.identity import open_to_look

if TYPE_CHECKING:
    from pathlib import Path

# struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid.
_FLOCK: Final = struct.Struct("@hhqqi4x")
_ASK: Final = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Lock:
    """Somebody's POSIX lock; ``pid`` is 0 where its process is not of this pid namespace."""

    pid: int


def lock_of(descriptor: int) -> Lock | None:
    """A POSIX lock that somebody else holds on any part of the file, or None; raises OSError.

    F_GETLK only asks. It shows read locks too (the question is for a write lock), never our own.
    """
    answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, _ASK)
    kind, _, _, _, pid = _FLOCK.unpack(answer)
    return None if kind == fcntl.F_UNLCK else Lock(max(0, pid))


def is_locked(path: Path) -> bool:
    """Whether somebody holds a POSIX lock on the file; raises OSError."""
    descriptor = open_to_look(path)
    try:
        return lock_of(descriptor) is not None
    finally:
        os.close(descriptor)


def is_open_for_writing(descriptor: int) -> bool | None:
    """Whether anybody has the file open for writing; None where that cannot be known.

    The kernel refuses a read lease while anyone does. It is given back in the same breath: a lease
    that is held stalls the next writer's open. ``descriptor`` must be read-only.

    A writer who comes in that breath makes the kernel signal the holder. That would be SIGIO, which
    ends a process that does not expect it; SIGURG is ignored unless somebody asks for it.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
