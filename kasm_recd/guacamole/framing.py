"""One Guacamole instruction in a buffer: where it ends, and what keeps it from being one.

An instruction is ``LEN.VALUE,LEN.VALUE,…;`` where LEN counts Unicode code points, not bytes. The
limits are libguac's (``parser-constants.h``, ``parser.h``): what they shut out no reader of
recordings can read. Text has to be UTF-8 without NUL, and a blob has to be base64: a write that a
full disk tore makes an element reach into the instructions after it, and neither comma nor
semicolon is ever part of base64.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, TypeAlias

MAX_ELEMENTS: Final = 128
MAX_CHARACTERS: Final = 8_192  # of an element
MAX_DIGITS: Final = 5  # of a length
MAX_BYTES: Final = 32_768  # of an instruction
#: The longest terminal title that guacd writes, in bytes.
MAX_TITLE: Final = 4_095

NOT_UTF_8: Final = "text that is not UTF-8"

#: Opcode, arguments, and the offset behind the instruction.
Framed: TypeAlias = tuple[str, tuple[bytes, ...], int]

_SHORT: Final = b"(?:%s)" % b"|".join(b"%d\\.[ -+\\--:<-~]{%d}" % (n, n) for n in range(10))
#: A whole instruction of plain elements shorter than ten characters: most of them, short of blobs.
PLAIN: Final = re.compile(b"%s(?:,%s){0,%d};" % (_SHORT, _SHORT, MAX_ELEMENTS - 1))

#: How a blob begins. Most bytes of a recording belong to one.
_BLOB: Final = re.compile(rb"4\.blob,(?:1\.([0-9])|2\.([0-9]{2})),([1-9][0-9]{0,3})\.")
_LENGTHS: Final = {b"%d" % length: length for length in range(MAX_CHARACTERS + 1)}
_DIGITS: Final = re.compile(b"[0-9]*")
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_CONTINUATION: Final = bytes(range(0x80, 0xC0))  # bytes within a character, never its first
_MAX_CHARACTER_BYTES: Final = 4
_TITLE: Final = re.compile(rb"4\.name,([0-9]{1,4})\.")
#: First byte of a character -> its size in bytes, as libguac (``unicode.c``) takes it.
_CHARACTER_BYTES: Final = bytes([1] * 0xC0 + [2] * 0x20 + [3] * 0x10 + [4] * 0x08 + [1] * 0x08)


class Malformed(Exception):
    """No instruction begins here; ``reach`` is the offset up to which it seemed to be one."""

    def __init__(self, reason: str, reach: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reach = reach


class Incomplete(Exception):
    """This may be the beginning of an instruction; to tell takes ``needed`` bytes of buffer."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


def encode(opcode: str, *args: str | bytes | int) -> bytes:
    """One instruction as guacd writes it.

    Raises ValueError for what no reader could read: text that is not UTF-8 or holds a NUL, an
    element of more than 8,192 characters, an instruction of more than 128 elements or 32,768 bytes.
    """
    elements = []
    for element in (opcode, *args):
        value = element if isinstance(element, bytes) else str(element).encode()
        length = len(value) if value.isascii() else len(value.decode())
        if length > MAX_CHARACTERS or b"\0" in value:
            raise ValueError(f"{opcode}: an element of {length} characters, or with a NUL")
        elements.append(b"%d.%s" % (length, value))
    instruction = b",".join(elements) + b";"
    if len(elements) > MAX_ELEMENTS or len(instruction) > MAX_BYTES:
        raise ValueError(f"{opcode}: {len(elements)} elements, {len(instruction)} bytes")
    return instruction


@lru_cache(maxsize=4_096)
def parse_plain(text: bytes) -> tuple[str, tuple[bytes, ...]]:
    """Opcode and arguments of an instruction that :data:`PLAIN` matched.

    Every length in it is one digit and a dot. A screen repeats itself, so half of them are known.
    """
    opcode, *args = [element[2:] for element in text[:-1].split(b",")]
    return opcode.decode(), tuple(args)


def frame(buffer: bytes, start: int, max_elements: int = MAX_ELEMENTS) -> Framed:
    """The instruction that begins at ``start``; raises Malformed or Incomplete.

    The verdict follows from the instruction's own bytes, however many the buffer has beyond them.
    """
    return _blob(buffer, start) or _frame(buffer, start, max_elements)


def _blob(buffer: bytes, start: int) -> Framed | None:
    """As :func:`_frame`, for a sound blob of two arguments; None for anything else."""
    opening = _BLOB.match(buffer, start)
    if opening is None:
        return None
    short, long, digits = opening.groups()
    begin, length = opening.end(), int(digits)
    end = begin + length
    data = buffer[begin:end]
    if length > MAX_CHARACTERS or buffer[end : end + 1] != b";" or data.translate(None, _BASE64):
        return None
    return "blob", (short or long, data), end + 1


def _frame(buffer: bytes, start: int, max_elements: int) -> Framed:
    """As :func:`frame`, for all that there is."""
    values: list[bytes] = []
    position, limit = start, start + MAX_BYTES
    while len(values) < max_elements:
        begin, length = _length(buffer, position)
        end = begin + length
        value = buffer[begin:end]
        if end < limit and not value.isascii():
            end = _end_of_text(buffer, begin, length, limit)
            value = buffer[begin:end]
        if end >= limit:
            raise Malformed(f"an instruction of over {MAX_BYTES:,} bytes", limit)
        values.append(value)
        position = end + 1
        match buffer[end:position]:
            case b",":
                continue
            case b";":
                _check(values, position)
                return values[0].decode(), tuple(values[1:]), position
            case b"":
                raise Incomplete(position)
            case _:
                raise Malformed("an element does not end where its length says", end)
    raise Malformed(f"more than {max_elements} elements", position)


def _length(buffer: bytes, position: int) -> tuple[int, int]:
    """Where the element at ``position`` has its value, and its length in code points."""
    dot = buffer.find(b".", position, position + MAX_DIGITS + 1)
    length = _LENGTHS.get(buffer[position:dot]) if dot > 0 else None
    if length is not None:
        return dot + 1, length
    digits = _DIGITS.match(buffer, position, position + MAX_DIGITS)
    dot = digits.end() if digits else position
    if dot == len(buffer):
        raise Incomplete(dot + 1)
    if dot == position or buffer[dot : dot + 1] != b".":
        raise Malformed("an element does not begin with its length", dot)
    length = int(buffer[position:dot])
    if length > MAX_CHARACTERS:
        raise Malformed(f"an element of over {MAX_CHARACTERS:,} characters", dot)
    return dot + 1, length


def _end_of_text(buffer: bytes, begin: int, length: int, limit: int) -> int:
    """Offset behind ``length`` code points that begin at ``begin``, or one from ``limit`` on."""
    end, missing, barren = begin, length, 0
    while missing and end + missing < limit:
        piece = buffer[end : end + missing]
        if len(piece) < missing:
            raise Incomplete(end + missing)
        begun = len(piece.translate(None, _CONTINUATION))
        barren = 0 if begun else barren + missing
        end += missing
        if barren >= _MAX_CHARACTER_BYTES:
            raise Malformed(NOT_UTF_8, end)
        missing -= begun
    for _ in range(1, _MAX_CHARACTER_BYTES):
        if end + missing >= limit:
            return limit
        if end == len(buffer):
            raise Incomplete(end + 1)
        if buffer[end] not in _CONTINUATION:
            break
        end += 1
    return end


def _check(values: list[bytes], end: int) -> None:
    """Raise Malformed where the lengths are right and the content cannot be."""
    match values:
        case [b"blob", _, data, *_] if data.translate(None, _BASE64):
            raise Malformed("a blob that is not base64", end)
    for value in values:
        if b"\0" in value:
            raise Malformed("NUL bytes", end)
        if not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError:
                raise Malformed(NOT_UTF_8, end) from None


def end_of_title(buffer: bytes, start: int) -> int | None:
    """Offset behind a malformed ``name`` instruction at ``start`` that guacd's own error explains.

    A byte 0x9C ends a terminal title, be it within a character. guacd counts the character that is
    cut short as a whole one and writes what there is of it, so the semicolon stands up to three
    bytes before the end that the length says. A title that is skipped whole can smuggle nothing in.
    Raises Incomplete.
    """
    opening = _TITLE.match(buffer, start)
    if opening is None or int(opening[1]) > MAX_TITLE:
        return None
    end = opening.end()
    for _ in range(int(opening[1])):
        if end >= len(buffer):
            raise Incomplete(end + 1)
        end += _CHARACTER_BYTES[buffer[end]]
    if end >= len(buffer):
        raise Incomplete(end + 1)
    semicolon = buffer.rfind(b";", max(opening.end(), end - _MAX_CHARACTER_BYTES + 1), end + 1)
    return None if semicolon < 0 else semicolon + 1
