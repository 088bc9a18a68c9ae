"""Stretches of files: opened with care, copied within the kernel, read piece by piece."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kasm_recd.errors import RecordingChanged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Read at once: large enough for speed, small enough for a processor's cache.
PIECE: Final = 256 * 1024
#: Copied at once where the kernel cannot do it alone.
PLAIN_COPY: Final = 1024 * 1024

#: The kernel's ways to say that it cannot copy between these two files.
_NO_KERNEL_COPY: Final = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor to read the regular file ``path``, no link; raises OSError."""
    # A pipe in its place must not make the worker wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def created(path: Path) -> Iterator[int]:
    """A descriptor to write and read the new file ``path`` (mode 0600); raises OSError.

    The file is removed again where the block under it fails.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def copy(source: int, target: int, start: int, length: int) -> None:
    """Append ``length`` bytes of ``source`` from ``start`` on to ``target``, verbatim.

    Raises RecordingChanged where the source ends before that, and OSError.
    """
    end = start + length
    while start < end:
        copied = _kernel_copy(source, target, start, end - start) or os.write(
            target, os.pread(source, min(end - start, PLAIN_COPY), start)
        )
        if copied == 0:
            raise RecordingChanged(f"it shrank to {start} bytes while {end} were being read")
        start += copied


def _kernel_copy(source: int, target: int, start: int, length: int) -> int:
    """How many bytes the kernel copied; 0 where it cannot, or where the source ends."""
    try:
        return os.copy_file_range(source, target, length, offset_src=start)
    except OSError as error:
        if error.errno in _NO_KERNEL_COPY:
            return 0
        raise


def pieces_of(path: Path) -> Iterator[bytes]:
    """All that is in the regular file ``path``, no link; raises OSError."""
    with opened(path) as descriptor:
        yield from pieces(descriptor)


def pieces(descriptor: int, position: int = 0, end: int | None = None) -> Iterator[bytes]:
    """All that is in the file, from its beginning or ``position`` on, up to ``end``.

    Raises OSError.
    """
    length = PIECE
    while True:
        if end is not None:
            length = min(PIECE, end - position)
        piece = os.pread(descriptor, length, position)
        if not piece:
            return
        yield piece
        position += len(piece)
