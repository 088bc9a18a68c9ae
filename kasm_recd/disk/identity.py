"""Which file this is: statx, the head's hash, and a look at a file that changes nothing of it."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import stat
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from kasm_recd.recording import Identity

if TYPE_CHECKING:
    from pathlib import Path

#: Device, inode and birth time.
FileKey: TypeAlias = tuple[int, int, int]

#: How much of a file's beginning is part of its identity, in bytes.
HEAD_LENGTH: Final = 4096

_BLOCK: Final = 512  # st_blocks counts in these, whatever the file system's own blocks
_LOOK: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

# struct statx of linux/stat.h: mask, nlink, mode, ino, size, blocks; birth, change and modification
# time; the device. What is skipped: blksize, attributes, uid, gid, access time, rdev.
_FIELDS: Final = struct.Struct("=I12x I8x H2x QQQ 24x qI4x qI4x qI4x 8x II")
_STATX_SIZE: Final = 256
_AT_FDCWD: Final = -100
_AT_SYMLINK_NOFOLLOW: Final = 0x100
_AT_EMPTY_PATH: Final = 0x1000
_STATX_BASIC_STATS: Final = 0x7FF
_STATX_BTIME: Final = 0x800
_libc: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Status:
    """A file's status: sizes in bytes, times in nanoseconds since the Unix epoch.

    ``birth_ns`` is 0 where the file system keeps no birth time; ``allocated`` leaves out holes.
    """

    mode: int
    links: int
    device: int
    inode: int
    size: int
    allocated: int
    birth_ns: int
    change_ns: int
    modified_ns: int

    @property
    def file(self) -> FileKey:
        """Which file this is, as far as its status tells."""
        return self.device, self.inode, self.birth_ns

    @property
    def regular(self) -> bool:
        """A plain file: no symlink, folder, pipe, socket or device."""
        return stat.S_ISREG(self.mode)


def status_of(file: int | Path) -> Status:
    """The status of an open descriptor, or of a path (never of what a symlink points to).

    Unlike :func:`os.stat` it has the birth time, which Python learns only in 3.12. Raises OSError.
    """
    buffer = ctypes.create_string_buffer(_STATX_SIZE)
    if isinstance(file, int):
        where, name, flags = file, b"", _AT_EMPTY_PATH
    else:
        where, name, flags = _AT_FDCWD, os.fsencode(file), _AT_SYMLINK_NOFOLLOW
    if _libc.statx(where, name, flags, _STATX_BASIC_STATS | _STATX_BTIME, buffer):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(file))
    return _unpack(buffer.raw)


def _unpack(raw: bytes) -> Status:
    mask, links, mode, inode, size, blocks, *times, major, minor = _FIELDS.unpack_from(raw)
    birth_s, birth_ns, change_s, change_ns, modified_s, modified_ns = times
    return Status(
        mode=mode,
        links=links,
        device=os.makedev(major, minor),
        inode=inode,
        size=size,
        allocated=blocks * _BLOCK,
        birth_ns=birth_s * 10**9 + birth_ns if mask & _STATX_BTIME else 0,
        change_ns=change_s * 10**9 + change_ns,
        modified_ns=modified_s * 10**9 + modified_ns,
    )


def open_to_look(path: Path) -> int:
    """A read-only descriptor; follows no symlink, waits for no pipe, leaves the access time.

    The caller closes it, after it has checked by :func:`status_of` that it got a plain file.
    Closing drops the POSIX locks that *this process* holds on the file, so it must never hold any.
    Raises OSError.
    """
    with contextlib.suppress(PermissionError):  # O_NOATIME is for the owner and root
        return os.open(path, _LOOK | os.O_NOATIME)
    return os.open(path, _LOOK)


def identify(file: int | Path, *, head_length: int = HEAD_LENGTH) -> Identity:
    """Which file this is, with the hash of at most ``head_length`` bytes of its beginning.

    Raises OSError; also for a path that is no plain file.
    """
    if isinstance(file, int):
        return _identify(file, head_length)
    descriptor = open_to_look(file)
    try:
        return _identify(descriptor, head_length)
    finally:
        os.close(descriptor)


def _identify(descriptor: int, head_length: int) -> Identity:
    status = status_of(descriptor)
    head = os.pread(descriptor, head_length, 0) if status.regular else b""
    return Identity(
        device=status.device,
        inode=status.inode,
        birth_ns=status.birth_ns,
        head_length=len(head),
        head_sha256=hashlib.sha256(head).hexdigest(),
    )


def is_same_file(known: Identity, found: Identity) -> bool:
    """Whether ``found`` is the file that was ``known``, which may have grown since.

    Heads of different length cannot be compared: ask for ``identify(file,
    head_length=known.head_length)`` where the file may have been shorter than 4,096 bytes. A head
    that became shorter is no growth.
    """
    if (known.device, known.inode, known.birth_ns) != (found.device, found.inode, found.birth_ns):
        return False
    if known.head_length == found.head_length:
        return known.head_sha256 == found.head_sha256
    return known.head_length < found.head_length
