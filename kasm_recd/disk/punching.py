"""Handing a live file's consumed bytes back to its file system, without its writer noticing."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

from kasm_recd.disk.helper import Order, ask
from kasm_recd.disk.identity import HEAD_LENGTH, identify, is_same_file
from kasm_recd.errors import RecordingChanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.recording import Identity, Recording

_KEEP_SIZE: Final = 1
_PUNCH_HOLE: Final = 2
_BLOCK: Final = 4096  # what lies across a hole's ends would be written anew, not given back
_OPEN: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong)


def punch(
    recording: Recording,
    start: int,
    end: int,
    *,
    before_close: Callable[[], None] = lambda: None,
    helper: Path | None = None,
) -> None:
    """Makes a hole of the bytes ``start`` to ``end``; the size stays, and reading gives NULs.

    The first 4,096 bytes are left out: they are the file's identity. The file is opened for writing
    and closed again, which inotify reports as a writer's close: ``before_close`` is called where
    that is about to happen. No lock is taken. Where this process may not write to the file,
    ``helper`` is asked to, the socket of one who may, if there is one.

    Raises:
        ValueError: bytes are asked for that the journal does not call consumed.
        RecordingChanged: another file lies there.
        OSError: no right to write, or no holes on this file system.
    """
    if not 0 <= start <= end <= recording.consumed:
        raise ValueError(f"bytes {start} to {end} of {recording.path} are not all consumed")
    if end // _BLOCK * _BLOCK <= max(HEAD_LENGTH, start // _BLOCK * _BLOCK):
        return
    try:
        descriptor = os.open(recording.path, _OPEN)
    except PermissionError:
        if helper is None or not helper.exists():
            raise
        before_close()  # the helper's close
        ask(helper, Order(recording.path, recording.identity, start, end, recording.consumed))
        return
    try:
        make_hole(descriptor, recording.identity, start, end, recording.path)
    finally:
        before_close()
        os.close(descriptor)


def make_hole(descriptor: int, identity: Identity, start: int, end: int, path: str) -> None:
    """The hole itself, in a file that is open for writing; raises as :func:`punch`."""
    _check_same(identity, descriptor, path)
    start = max(HEAD_LENGTH, start // _BLOCK * _BLOCK)
    length = end // _BLOCK * _BLOCK - start
    if length > 0 and _libc.fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, start, length):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def check_same(recording: Recording, file: int | Path) -> None:
    """Raises RecordingChanged unless ``file`` is the recording's, and OSError."""
    _check_same(recording.identity, file, recording.path)


def _check_same(identity: Identity, file: int | Path, path: str) -> None:
    found = identify(file, head_length=identity.head_length or HEAD_LENGTH)
    if not is_same_file(identity, found):
        raise RecordingChanged(f"{path} is another file now")
