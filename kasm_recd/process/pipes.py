"""A child's stdout and stderr, read as they fill, so that neither side waits for the other."""

from __future__ import annotations

import asyncio
import os
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

READ_SIZE: Final = 64 * 1024
TAIL: Final = 4096  # bytes of stderr that are kept


class Pipe:
    """Reads a pipe as it fills; ``closed`` is done at its end, ``flooded`` past its limit."""

    def __init__(self, stream: IO[bytes], take: Callable[[bytes], None], *, limit: int) -> None:
        self._stream = stream
        self._take = take
        self._room = limit
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.flooded: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(stream.fileno(), False)
        self._loop.add_reader(stream.fileno(), self._read)

    def close(self) -> None:
        """Lets go of it, whoever may still hold the other end."""
        if not self.closed.done():
            self._loop.remove_reader(self._stream.fileno())
            self._stream.close()
            self.closed.set_result(None)

    def _read(self) -> None:
        try:
            data = os.read(self._stream.fileno(), READ_SIZE)
        except BlockingIOError:  # woken for nothing
            return
        self._room -= len(data)
        if data and self._room >= 0:
            self._take(data)
            return
        if data:
            self.flooded.set_result(None)
        self.close()


class Tail:
    """The end of what was said on stderr, and a listener who is told its lines as they come.

    A line that the listener answers with True was meant for it alone (progress) and is not kept.
    """

    def __init__(self, on_line: Callable[[str], bool | None] | None) -> None:
        self._on_line = on_line
        self._kept = bytearray()
        self._line = b""

    def extend(self, data: bytes) -> None:
        """Takes what was said next."""
        *lines, rest = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        self._line = rest[-TAIL:]
        for line in filter(None, lines):
            if self._on_line is None or not self._on_line(line.decode(errors="replace")):
                self._kept += line + b"\n"
        del self._kept[:-TAIL]

    def text(self) -> str:
        """The last bytes that were kept, at most :data:`TAIL` of them."""
        return (self._kept + self._line)[-TAIL:].decode(errors="replace")
