"""Bytes of a recording to instructions, in whatever pieces they come, and past any damage.

Every byte belongs to exactly one instruction or to one damaged interval. A malformed or torn
instruction costs itself: reading resumes at the next complete instruction that has a known opcode,
enough arguments and, if it is a ``sync``, a timestamp near the last one. What follows until the
next ``sync`` is doubtful, since the broken bytes may have come from a terminal title, and a hostile
title may contain instructions.

Memory is bounded by one instruction and the piece that is fed; time grows with the bytes alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from kasm_recd.contents import Damage
from kasm_recd.guacamole.framing import (
    MAX_ELEMENTS,
    MAX_TITLE,
    PLAIN,
    Framed,
    Incomplete,
    Malformed,
    encode,
    end_of_title,
    frame,
    parse_plain,
)
from kasm_recd.guacamole.opcodes import OPCODES
from kasm_recd.guacamole.timeline import Timeline, timestamp_of

__all__ = ["Instruction", "Reader", "encode", "read"]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: After damage, an instruction may have so many arguments more than its opcode has at least. With
#: that bound a try costs little, however often hostile bytes look like the beginning of one.
SPARE_ARGUMENTS: Final = 2
#: Damage may come from a title, and what a title says ends this many bytes on at the latest.
TITLE_BYTES: Final = len("4.name,4.4095.") + MAX_TITLE

_UNENDED: Final = "an instruction that does not end"
_TITLE: Final = b"4.name,"
_OPCODE_OF: Final = {encode(name)[:-1]: name for name in OPCODES}
_BEGINNING: Final = re.compile(b"(%s)[,;]" % b"|".join(map(re.escape, _OPCODE_OF)))
_LONGEST_BEGINNING: Final = max(map(len, _OPCODE_OF)) + 1


class Instruction(NamedTuple):
    """One instruction; ``args`` are the elements after the opcode, as they stand in the stream.

    It lies in the bytes ``start`` to ``end`` of the stream. ``doubtful`` means that it was read
    after damage and before the next ``sync``.
    """

    opcode: str
    args: tuple[bytes, ...]
    start: int
    end: int
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class _Break:
    """Where reading fell out of step, why, and how far the broken bytes laid claim."""

    start: int
    reach: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A ``sync`` that begins at ``reach`` or later ends it; one before ``wary`` has to be near."""

    reach: int
    wary: int


class Reader:
    """Reads a stream of instructions that is pushed in piece by piece.

    ``offset`` is where the stream begins in its recording; all offsets given back count from the
    recording's start. Nothing that the stream holds makes it raise.
    """

    def __init__(self, *, offset: int = 0) -> None:
        self._base = offset  # of the buffer, in the recording
        self._buffer = b""
        self._position = 0  # in the buffer; all before it has been told of, or is damage
        self._needed = 0  # bytes that the buffer must hold before another try can succeed
        self._final = False
        self._timeline = Timeline()
        self._break: _Break | None = None
        self._doubt: _Doubt | None = None
        self._titles_from = 0  # bounds the cost of malformed titles that guacd never wrote

    def feed(self, data: bytes) -> Iterator[Instruction | Damage]:
        """What can be told of the stream now that ``data`` is there as well."""
        self._buffer += data
        found: list[Instruction | Damage] = []
        if len(self._buffer) >= self._needed:
            self._read(found)
        return iter(found)

    def close(self) -> Iterator[Instruction | Damage]:
        """The rest, as nothing more will come: a torn end is damage."""
        found: list[Instruction | Damage] = []
        self._final = True
        self._read(found)
        if self._break is not None:
            kind = "torn" if self._break.reason is _UNENDED else "invalid"
            found.append(Damage(self._break.start, self._base, kind, self._break.reason))
            self._break = None
        return iter(found)

    def _read(self, found: list[Instruction | Damage]) -> None:
        self._needed = 0
        try:
            while self._position < len(self._buffer):
                if self._break is None:
                    self._read_in_step(found)
                else:
                    found.append(self._resume(self._break))
        except Incomplete as incomplete:
            self._needed = incomplete.needed - self._position
        self._base += self._position
        self._buffer, self._position = self._buffer[self._position :], 0

    def _read_in_step(self, found: list[Instruction | Damage]) -> None:
        """Read on while every instruction begins where the one before ends; raises Incomplete."""
        buffer, base, doubtful = self._buffer, self._base, self._doubt is not None
        while (start := self._position) < len(buffer):
            plain = PLAIN.match(buffer, start)
            if plain is not None:
                (opcode, args), end = parse_plain(plain[0]), plain.end()
            else:
                try:
                    opcode, args, end = self._frame(start)
                except Malformed as malformed:
                    self._fall_out(malformed)
                    return
            self._position = end
            read = Instruction(opcode, args, base + start, base + end, doubtful)
            if opcode == "sync":
                found.append(self._judged(read))
                doubtful = self._doubt is not None
            else:
                found.append(read)

    def _judged(self, sync: Instruction) -> Instruction | Damage:
        """``sync``, which may end the doubt, or the damage that it is."""
        timestamp = timestamp_of(sync.args[0]) if sync.args else None
        if timestamp is None:
            return Damage(sync.start, sync.end, "invalid", "a sync without a timestamp")
        wary = self._doubt is not None and sync.start < self._doubt.wary
        settled = self._doubt is None or sync.start >= self._doubt.reach
        if (wary and not self._timeline.near(timestamp)) or (
            settled and not self._timeline.believe(timestamp)
        ):
            return Damage(sync.start, sync.end, "invalid", f"a sync that leaps to {timestamp}")
        if not settled:
            return sync
        self._doubt = None
        return sync._replace(doubtful=False)

    def _fall_out(self, malformed: Malformed) -> None:
        """Note the break at the reader's position; raises Incomplete."""
        start, title_end = self._position, self._end_of_title()
        reach = malformed.reach if title_end is None else title_end
        self._position = start + 1 if title_end is None else title_end
        self._break = _Break(self._base + start, self._base + reach, malformed.reason)

    def _resume(self, broken: _Break) -> Damage:
        """Find an instruction that can be trusted to be one; raises Incomplete."""
        for beginning in _BEGINNING.finditer(self._buffer, self._position):
            self._position = beginning.start()
            if self._begins_anew(_OPCODE_OF[beginning[1]]):
                self._break, self._doubt = None, self._doubted(broken)
                return Damage(broken.start, self._base + self._position, "invalid", broken.reason)
            self._position += 1
        unread = 0 if self._final else _LONGEST_BEGINNING
        self._position = max(self._position, len(self._buffer) - unread)
        raise Incomplete(len(self._buffer) + 1)

    def _begins_anew(self, opcode: str) -> bool:
        """Whether an instruction that can be trusted begins here; raises Incomplete."""
        fewest = OPCODES[opcode]
        try:
            _, args, _ = self._frame(self._position, 1 + fewest + SPARE_ARGUMENTS)
        except Malformed:
            return False
        if opcode == "sync" and args:
            timestamp = timestamp_of(args[0])
            return timestamp is not None and self._timeline.near(timestamp)
        return len(args) >= fewest

    def _doubted(self, broken: _Break) -> _Doubt:
        """The doubt after ``broken``, with what was doubted before."""
        reach = max(broken.reach, self._doubt.reach if self._doubt else 0)
        return _Doubt(reach, max(reach, broken.start + TITLE_BYTES))

    def _frame(self, at: int, max_elements: int = MAX_ELEMENTS) -> Framed:
        """As :func:`framing.frame`; at the stream's end nothing is incomplete any more."""
        try:
            return frame(self._buffer, at, max_elements)
        except Incomplete:
            if not self._final:
                raise
            raise Malformed(_UNENDED, len(self._buffer)) from None

    def _end_of_title(self) -> int | None:
        """As :func:`framing.end_of_title`; one that fits nowhere is not tried again at once."""
        at = self._base + self._position
        if at < self._titles_from or not self._buffer.startswith(_TITLE, self._position):
            return None
        try:
            end = end_of_title(self._buffer, self._position)
        except Incomplete:
            if not self._final:
                raise
            end = None
        if end is None:
            self._titles_from = at + TITLE_BYTES
        return end


def read(chunks: Iterable[bytes]) -> Iterator[Instruction | Damage]:
    """All that a stream holds, in order; see :class:`Reader`."""
    reader = Reader()
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.close()
