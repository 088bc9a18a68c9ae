"""One daemon for one journal: an flock beside it, freed by the kernel however its holder ends."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from kasm_recd.errors import JournalLocked

if TYPE_CHECKING:
    from pathlib import Path

PID_LENGTH = 32


class Lock:
    """A held lock; :meth:`release` frees it. The file stays, and names its last holder's pid."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self:
        """Takes the lock file at ``path``.

        Raises:
            JournalLocked: another process holds it; the message names its pid.
            OSError: the file cannot be made or opened.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, PID_LENGTH, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise JournalLocked(f"{path} is held by process {holder or 'unknown'}") from None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            os.close(descriptor)  # else this process holds it for ever
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Frees the lock."""
        os.close(self._descriptor)


def lock_path(path: Path) -> Path:
    """The lock beside a journal."""
    return path.with_name(f"{path.name}.lock")
