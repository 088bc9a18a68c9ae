"""A folder as a store: the embedded default, and what a mounted network folder needs.

Written beside its place, fsynced, then linked to it: a link never replaces what is there. Folders
are 0750 and files 0640 (before the umask), so that players in the daemon's group can read them.
The folder itself may be a symbolic link, everything below it may not: it is walked by descriptors.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kasm_recd.errors import KeyTaken, StoreRefused, StoreUnavailable
from kasm_recd.storage import Body, Proof, opened

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from kasm_recd.storage import Payload

FOLDER_MODE: Final = 0o750
FILE_MODE: Final = 0o640

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

#: What passes by itself: a full disk, a mount that is away. All else waits for the operator.
_PASSING: Final = frozenset(
    {errno.ENOENT, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT}
    | {errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EHOSTDOWN}
)
_HINTS: Final = {
    errno.EACCES: "Let the daemon's user write to this folder.",
    errno.EPERM: "Files are published by hard links: take a file system that has them.",
    errno.ENOSPC: "Free disk there; uploads go on by themselves.",
    errno.EDQUOT: "Raise the quota there; uploads go on by themselves.",
    errno.EROFS: "Mount it writable; uploads go on by themselves.",
    errno.ELOOP: "A symbolic link stands below the upload folder: put a real folder in its place.",
    errno.ENOTDIR: "Below the upload folder a file or link stands where a folder must be.",
}


class FileStore:
    """Keeps :class:`~kasm_recd.storage.Store`'s contract with files below ``folder``."""

    def __init__(self, folder: str, *, stop: threading.Event) -> None:
        self._folder = folder
        self._stop = stop

    def put(self, key: str, payload: Payload) -> None:
        """See the contract; the folder, and those that the key needs below it, are made."""
        with (
            opened(payload, stop=self._stop) as body,
            self._failures("put", key),
            self._parent(key, create=True) as (parent, name),
            _temporary(name, payload, parent) as temporary,
        ):
            _write(temporary, parent, body, payload)
            self._publish(temporary, name, parent, key)

    def prove(self, key: str, payload: Payload) -> Proof:
        """See the contract; made durable first, then every byte is read back."""
        with self._failures("prove", key), self._parent(key, create=False) as (parent, name):
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode) or found.st_size != payload.size:
                raise self._taken(key)
            with os.fdopen(os.open(name, _READ | os.O_NONBLOCK, dir_fd=parent), "rb") as stored:
                os.fsync(stored.fileno())
                os.fsync(parent)
                if _sha256(Body(stored, name=key, stop=self._stop)) != payload.sha256:
                    raise self._taken(key)
        return Proof("file", payload.sha256)

    def close(self) -> None:
        """Nothing is held."""

    def _publish(self, temporary: str, name: str, parent: int, key: str) -> None:
        try:
            os.link(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except FileExistsError:
            raise self._taken(key) from None
        os.fsync(parent)

    @contextmanager
    def _parent(self, key: str, *, create: bool) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder that ``key`` lies in, and its name there."""
        *folders, name = key.split("/")
        if not {"", ".", ".."}.isdisjoint((*folders, name)):
            raise StoreRefused(f"{key!r} is no path below {self._folder}")
        if create:
            Path(self._folder).mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        here = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                if create:
                    _make_folder(folder, here)
                below = os.open(folder, _READ | os.O_DIRECTORY, dir_fd=here)
                os.close(here)
                here = below
            yield here, name
        finally:
            os.close(here)

    @contextmanager
    def _failures(self, what: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            passing = error.errno in _PASSING
            kind = StoreUnavailable if passing else StoreRefused
            message = f"{what} {self._folder}/{key}: {error.strerror}"
            raise kind(message, hint=_HINTS.get(error.errno or 0, "")) from error

    def _taken(self, key: str) -> KeyTaken:
        return KeyTaken(f"something else lies under {self._folder}/{key}")


@contextmanager
def _temporary(name: str, payload: Payload, parent: int) -> Iterator[str]:
    """A name beside ``name`` that no other writer has, yet the next try of this one has it again.

    So a crash leaves one file, and the next try removes it. It begins with a dot, which no part of
    a key made from a session's values does.
    """
    told_apart_by = f"{os.uname().nodename}/{name}/{payload.sha256}"
    temporary = f".kasm-recd-{hashlib.sha256(told_apart_by.encode()).hexdigest()[:16]}.part"
    _unlink(temporary, parent)
    try:
        yield temporary
    finally:
        _unlink(temporary, parent)


def _unlink(name: str, parent: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)


def _write(name: str, parent: int, body: Body, payload: Payload) -> None:
    digest = hashlib.sha256()
    with os.fdopen(os.open(name, _WRITE_NEW, FILE_MODE, dir_fd=parent), "wb") as file:
        for chunk in body.chunks():
            file.write(chunk)
            digest.update(chunk)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != payload.sha256:
        raise StoreUnavailable(f"{payload.path} is not what the journal knows of it")


def _make_folder(name: str, parent: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, FOLDER_MODE, dir_fd=parent)
        os.fsync(parent)


def _sha256(body: Body) -> str:
    digest = hashlib.sha256()
    for chunk in body.chunks():
        digest.update(chunk)
    return digest.hexdigest()
