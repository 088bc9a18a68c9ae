"""Streams of instructions within the stream, as ``nest`` brings them, piece by piece."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.framing import Incomplete, Malformed, frame
from kasm_recd.guacamole.limits import Undrawable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class NestedStreams:
    """What each stream has brought of an instruction that is not whole yet; bounded."""

    def __init__(self) -> None:
        self._begun: dict[int, bytes] = {}

    @property
    def begun(self) -> Mapping[int, bytes]:
        """Index -> the beginning of an instruction, not empty."""
        return MappingProxyType(self._begun)

    def receive(self, index: int, text: bytes) -> Iterator[tuple[str, tuple[bytes, ...]]]:
        """Opcode and arguments of each instruction that is whole with ``text``.

        Raises Undrawable where none can be; the stream begins anew after that.
        """
        buffer, position = self._begun.pop(index, b"") + text, 0
        if len(self._begun) >= limits.OPEN_STREAMS:
            raise Undrawable(f"more than {limits.OPEN_STREAMS} nested streams at once")
        found: list[tuple[str, tuple[bytes, ...]]] = []
        reason = ""
        try:
            while position < len(buffer):
                opcode, args, position = frame(buffer, position)
                found.append((opcode, args))
        except Incomplete:
            self._begun[index] = buffer[position:]
        except Malformed as malformed:
            reason = malformed.reason
        yield from found
        if reason:
            raise Undrawable(f"nested stream {index}: {reason}")
