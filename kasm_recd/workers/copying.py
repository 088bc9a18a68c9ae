"""A stretch of one file into another and onto the disk, with its digest, beside other work.

The copying, the disk's work and the digest go on side by side, in threads: none of them holds
Python's lock. So the copying can begin while it is still being found out where the stretch ends.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from kasm_recd.workers import files

if TYPE_CHECKING:
    from collections.abc import Callable

    Ends: TypeAlias = SimpleQueue[int | None]

#: Copied before the disk begins to write it and the digest may follow.
STEP: Final = 4 * 1024 * 1024
_WRITE: Final = 2  # SYNC_FILE_RANGE_WRITE: begin to write, do not wait
_libc: Final = ctypes.CDLL(None)
_libc.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


class Copying:
    """Copies ``source`` from ``start`` on to the empty file ``target``, in the background.

    To be used as a context, which ends the threads whatever happens.
    """

    def __init__(self, source: int, target: int, start: int) -> None:
        self._source = source
        self._target = target
        self._start = start
        self._ahead = 0
        self._sha256 = hashlib.sha256()
        self._error: Exception | None = None
        self._to_copy: Ends = SimpleQueue()
        self._to_digest: Ends = SimpleQueue()
        self._copier = Thread(target=self._run, args=(self._copy,))
        self._digester = Thread(target=self._run, args=(self._digest,))

    def __enter__(self) -> Self:
        self._copier.start()
        self._digester.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._to_copy.put(None)
        self._to_digest.put(None)
        self._copier.join()
        self._digester.join()

    def go_ahead(self, length: int) -> None:
        """Copy the first ``length`` bytes already; :meth:`finish` may still ask for fewer."""
        self._ahead = length
        self._to_copy.put(length)

    def finish(self, length: int) -> str:
        """Make it ``length`` bytes, on the disk; gives their SHA-256 in hex, as they lie there.

        Raises RecordingChanged where the source ends before that, and OSError.
        """
        self._to_copy.put(length)
        self._to_copy.put(None)
        self._copier.join()
        if length < self._ahead:
            os.ftruncate(self._target, length)
        if self._error is None:
            os.fsync(self._target)
        self._to_digest.put(None)
        self._digester.join()
        if self._error is not None:
            raise self._error
        if length < self._ahead:
            self._sha256 = hashlib.sha256()
            self._update(0, length)
        return self._sha256.hexdigest()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised again by finish
            self._error = error

    def _copy(self) -> None:
        position = 0
        while (end := self._to_copy.get()) is not None:
            while position < end:
                step = min(STEP, end - position)
                files.copy(self._source, self._target, self._start + position, step)
                _libc.sync_file_range(self._target, position, step, _WRITE)  # or fsync does it all
                position += step
                self._to_digest.put(position)

    def _digest(self) -> None:
        position = 0
        while (end := self._to_digest.get()) is not None:
            self._update(position, end)
            position = end

    def _update(self, position: int, end: int) -> None:
        for piece in files.pieces(self._target, position, end):
            self._sha256.update(piece)
