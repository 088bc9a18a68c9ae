"""A viewer of one guacd session that speaks the protocol and looks at nothing: it answers syncs."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Final, Self

from kasm_recd.guacamole.instructions import Instruction, Reader, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION: Final = "VERSION_1_3_0"
ENTER: Final = 0xFF0D
ANSWER_S: Final = 15.0


class GuacamoleClient:
    """Connected by :meth:`connect`; a thread of its own then reads until either side ends it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_S)
        self._reader = Reader()
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="guacamole-client")
        self.errors: list[str] = []
        self.syncs = 0
        self.ended = False
        self.longest_silence_s = 0.0
        """The longest time between two syncs so far."""

    def connect(self, protocol: str, size: tuple[int, int], settings: Mapping[str, str]) -> Self:
        """Shakes hands; settings that the protocol's list of arguments lacks are a KeyError."""
        self._send("select", protocol)
        instructions = self._instructions()
        names = [name.decode() for name in self._next(instructions, "args").args]
        if missing := set(settings) - set(names):
            raise KeyError(f"guacd's {protocol} knows no {', '.join(sorted(missing))}")
        self._send("size", *size, 96)
        self._send("audio")
        self._send("video")
        self._send("image", "image/png", "image/jpeg")
        values = [
            VERSION if name.startswith("VERSION") else settings.get(name, "") for name in names
        ]
        self._send("connect", *values)
        self._next(instructions, "ready")
        self._instructions_left = instructions
        self._thread.start()
        return self

    def type(self, line: str) -> None:
        """Presses the keys of an ASCII line, and Enter."""
        for keysym in (*map(ord, line), ENTER):
            self._send("key", keysym, 1)
            self._send("key", keysym, 0)

    def disconnect(self) -> None:
        """Leaves; safe to call again."""
        with contextlib.suppress(OSError):
            self._send("disconnect")
        self.vanish()

    def vanish(self) -> None:
        """Is gone without a word, as a browser that crashed."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(ANSWER_S)
        self._socket.close()

    def _watch(self) -> None:
        last = time.monotonic()
        with contextlib.suppress(OSError):
            for found in self._instructions_left:
                if found.opcode == "error":
                    self.errors.append(b" ".join(found.args).decode())
                elif found.opcode == "sync":
                    self._send("sync", found.args[0])
                    now = time.monotonic()
                    self.longest_silence_s = max(self.longest_silence_s, now - last)
                    self.syncs, last = self.syncs + 1, now
        self.ended = True

    def _next(self, instructions: Iterator[Instruction], opcode: str) -> Instruction:
        for found in instructions:
            if found.opcode == opcode:
                return found
        raise ConnectionError(f"guacd ended the connection before {opcode!r}")

    def _instructions(self) -> Iterator[Instruction]:
        while data := self._socket.recv(65536):
            for found in self._reader.feed(data):
                if isinstance(found, Instruction):
                    yield found

    def _send(self, opcode: str, *args: str | bytes | int) -> None:
        with self._sending:
            self._socket.sendall(encode(opcode, *args))
