"""Making files appear and disappear so that a power cut leaves all of one or none.

A file's bytes are on the disk when the file was fsynced, its name when the folder was. All
functions raise OSError, with the path in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

HIDDEN_PREFIX: Final = ".kasm-recd-"

_PIECE: Final = 1 << 20
_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True)


def publish(temporary: Path, final: Path) -> None:
    """Gives a finished file, or a folder of fsynced files, its name, durably and all at once.

    ``temporary`` must lie on the same file system. A file under the final name is replaced; a
    folder is not, unless it is empty.
    """
    _fsync(temporary)
    temporary.rename(final)
    fsync_folder(final.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Writes ``data`` under ``path`` (mode 0600), durably; a reader sees all of it or none."""
    temporary = path.with_name(f"{HIDDEN_PREFIX}{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - it is a descriptor
            file.write(data)
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def concatenate(path: Path, *parts: Path) -> None:
    """Writes ``parts`` one after the other under ``path`` (mode 0600), durably, all or nothing."""
    temporary = path.with_name(f"{HIDDEN_PREFIX}{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as target:  # noqa: PTH123 - it is a descriptor
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, target, _PIECE)
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def fsync_folder(folder: Path) -> None:
    """Makes the names in ``folder`` durable."""
    _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear(path: Path) -> None:
    """Deletes a file or a folder with all that is in it; nothing there is fine."""
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def sha256(file: BufferedReader) -> str:
    """The hex digest from the file's position to its end, where it is left."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def hidden_name(path: Path, recording_id: int) -> Path:
    """Where a recording waits for its removal: in its own folder, which is its own file system."""
    return path.with_name(f"{HIDDEN_PREFIX}{recording_id}")


def leave(path: Path, recording_id: int) -> Path:
    """Moves a recording out of its writers' sight, to its hidden name, which it returns.

    Who has it open keeps it; nobody opens it anew under its old name. Raises FileExistsError when
    something already lies under the hidden name.
    """
    hidden = hidden_name(path, recording_id)
    rename_no_replace(path, hidden)
    return hidden


def rename_no_replace(source: Path, target: Path) -> None:
    """Renames a file on its file system; raises FileExistsError rather than replace another.

    Where the file system cannot do that in one step (NFS), a hard link takes the new name.
    """
    failed = _libc.renameat2(
        _AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE
    )
    if not failed:
        return
    number = ctypes.get_errno()
    if number != errno.EINVAL:
        raise OSError(number, os.strerror(number), str(source), None, str(target))
    target.hardlink_to(source)
    source.unlink()
