"""A stand-in for guacd as a fixture: a real child process with a real lock.

Also what a test of files needs beside it: somebody without root's rights.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parent / "standins" / "guacd_writer.py"

AsNobody = Callable[[], AbstractContextManager[None]]

#: The least that looks like a recording: a size, something drawn, a sync.
TINY = b"4.size,1.0,4.1024,3.768;4.rect,1.0,1.0,1.0,1.9,1.9;4.sync,6.123456;"


class GuacdWriter:
    """A child that writes ``source`` to ``destination``; see ``standins/guacd_writer.py``.

    ``path`` is what it created: the destination, or the next free name of a reconnect.
    """

    def __init__(self, source: Path, destination: Path, *options: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(PROGRAM), str(source), str(destination), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.path = Path(self._answer("open"))

    @property
    def pid(self) -> int:
        return self.child.pid

    def write(self, amount: int | str = "all") -> int:
        """Writes so many bytes more; the file's size after it."""
        self._say(f"write {amount}")
        return int(self._answer("wrote"))

    def close(self) -> None:
        """Closes the file; the lock goes with it, the child stays."""
        self._say("close")
        self._answer("closed")

    def reopen(self) -> None:
        """Opens and locks the same file again, as a second writer would."""
        self._say("reopen")
        self._answer("open")

    def wait_written(self) -> int:
        """Waits for a writer that writes of itself; the file's size after it."""
        return int(self._answer("wrote"))

    def kill(self) -> None:
        """Ends the child without a chance to tidy up, as a crash would."""
        self.child.kill()
        self.child.wait()

    def end(self) -> None:
        """Ends the child; safe to call again."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe is not None:
                pipe.close()

    def _say(self, command: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()

    def _answer(self, expected: str) -> str:
        assert self.child.stdout is not None
        verb, _, rest = self.child.stdout.readline().rstrip("\n").partition(" ")
        assert verb == expected, f"the writer said {verb!r}, not {expected!r}"
        return rest


@pytest.fixture(scope="session")
def tiny_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of a few dozen bytes for a writer; it begins anew at its end."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.guac"
    path.write_bytes(TINY)
    return path


@pytest.fixture
def guacd_writer() -> Iterator[Callable[..., GuacdWriter]]:
    """``guacd_writer(source, destination, "--on-command")`` starts one; all end with the test."""
    writers: list[GuacdWriter] = []

    def start(source: Path, destination: Path, *options: str) -> GuacdWriter:
        writer = GuacdWriter(source, destination, *options)
        writers.append(writer)
        return writer

    yield start
    for writer in writers:
        writer.end()


@pytest.fixture(scope="session")
def as_nobody() -> AsNobody:
    """Gives blocks (by ``with``) that run without root's rights, where the tests have them."""

    @contextmanager
    def unprivileged() -> Iterator[None]:
        if os.geteuid():
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return unprivileged
