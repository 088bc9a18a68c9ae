"""Writes a recording the way guacd does, and obeys over stdin. Standard library alone.

    python guacd_writer.py SOURCE DESTINATION [--pause SECONDS] [--chunk BYTES] [--hold]
                                              [--on-command] [--no-lock] [--write-existing]
                                              [--heedless COPY]

Exclusive create (mode 0640), ``.1`` to ``.255`` where the name is taken, a POSIX write lock on the
whole file, buffers of 8 KiB that end anywhere, no O_APPEND, no fsync. By default the whole source
is written, ``--pause`` seconds between two buffers, then the file is closed and the program ends.

    --hold        after the last byte the file stays open and locked, until it is told to close
    --on-command  nothing is written of itself; --hold is implied
    --no-lock     the lock is not taken, as where locks are invisible
    --write-existing  opens the file that is there and overwrites it from byte 0, as 1.6 can be told
    --heedless COPY  passes over a write that fails, and over the rest of a short one, as guacd does
                  on a full disk; what did reach the file is written to COPY too

Each line on stdin is a command; each is answered by a line on stdout when it is done:

    (start)         open PATH      the path that was created, once it is locked
    write N         wrote OFFSET   N more bytes of the source, which begins anew at its end
    write all       wrote OFFSET   what is left of the source
    close           closed         closes the file, and so gives up the lock; the program stays
    reopen          open PATH      opens the same file again and locks it, without truncating
    end of stdin                   closes and ends with code 0

Killed, it leaves what a killed guacd child leaves: the file as far as it was written, no lock.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path

BUFFER = 8192
SUFFIXES = 255


def create(path: Path) -> tuple[int, Path]:
    """A descriptor of a new file, under the first free name of guacd's."""
    for number in range(SUFFIXES + 1):
        candidate = path.with_name(f"{path.name}.{number}") if number else path
        try:
            return os.open(candidate, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o640), candidate
        except FileExistsError:
            continue
    raise FileExistsError(path)


class Writer:
    """One open recording and the source that feeds it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._source = arguments.source.read_bytes()
        self._chunk: int = arguments.chunk
        self._pause: float = arguments.pause
        self._lock: bool = not arguments.no_lock
        self._copy = arguments.heedless and arguments.heedless.open("wb", buffering=0)
        self._read = self._offset = 0
        if arguments.write_existing:
            self._path: Path = arguments.destination
            self._descriptor = os.open(self._path, os.O_WRONLY)
        else:
            self._descriptor, self._path = create(arguments.destination)
        self._opened()

    def _opened(self) -> None:
        if self._lock:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        answer(f"open {self._path}")

    def write(self, amount: str = "all") -> None:
        total = len(self._source)
        left = total - self._read % total if amount == "all" else int(amount)
        while left > 0:
            position = self._read % total
            piece = self._source[position : position + min(left, self._chunk)]
            self._offset += self._write(piece)
            self._read += len(piece)
            left -= len(piece)
            time.sleep(self._pause)
        answer(f"wrote {self._offset}")

    def _write(self, piece: bytes) -> int:
        if not self._copy:
            return os.pwrite(self._descriptor, piece, self._offset)
        with contextlib.suppress(OSError):
            written = os.pwrite(self._descriptor, piece, self._offset)
            return self._copy.write(piece[:written]) or 0
        return 0

    def close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        answer("closed")

    def reopen(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY)
        self._opened()


def answer(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a recording the way guacd does.")
    parser.add_argument("source", type=Path)
    parser.add_argument("destination", type=Path)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--chunk", type=int, default=BUFFER)
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("--on-command", action="store_true")
    parser.add_argument("--no-lock", action="store_true")
    parser.add_argument("--write-existing", action="store_true")
    parser.add_argument("--heedless", type=Path)
    arguments = parser.parse_args()
    writer = Writer(arguments)
    if not arguments.on_command:
        writer.write()
    if arguments.on_command or arguments.hold:
        verbs = {"write": writer.write, "close": writer.close, "reopen": writer.reopen}
        for line in sys.stdin:
            verb, *rest = line.split()
            verbs[verb](*rest)


if __name__ == "__main__":
    main()
