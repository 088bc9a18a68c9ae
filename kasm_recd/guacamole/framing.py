"""One Guacamole instruction in a buffer: where it ends, and what keeps it from being one.

An instruction is ``LEN.VALUE,LEN.VALUE,…;`` where LEN counts Unicode code points, not bytes. The
limits are libguac's (``parser-constants.h``, ``parser.h``): what they shut out, no reader of
recordings can read. Text has to be valid UTF-8 and free of NUL, and a blob has to be base64: a write
that a full disk tore makes an element reach into the instructions after it, and neither a comma nor
a semicolon is ever part of base64.
"""

from __future__ import annotations

import re
from typing import Final

MAX_ELEMENTS: Final = 128
MAX_CHARACTERS: Final = 8_192  # of an element
MAX_DIGITS: Final = 5  # of a length
MAX_BYTES: Final = 32_768  # of an instruction

#: Every length that needs no second look: the digits as guacd writes them, and their value.
_LENGTHS: Final = {b"%d" % length: length for length in range(MAX_CHARACTERS + 1)}
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_CONTINUATION: Final = bytes(range(0x80, 0xC0))  # bytes within a code point, never its first
_DIGITS: Final = re.compile(rb"[0-9]*")

_SHORT_ELEMENT: Final = b"|".join(b"%d\\.[ -+\\--:<-~]{%d}" % (n, n) for n in range(10))
#: A whole instruction of short, plain elements, as nearly all but blobs are.
PLAIN: Final = re.compile(
    b"(?:%s)(?:,(?:%s)){0,%d};" % (_SHORT_ELEMENT, _SHORT_ELEMENT, MAX_ELEMENTS - 1)
)


class Malformed(Exception):
    """No instruction can begin here; ``reach`` is how far the attempt laid claim to the buffer."""

    def __init__(self, reason: str, reach: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reach = reach


class Incomplete(Exception):
    """What is there may begin an instruction; to tell needs a buffer of ``needed`` bytes."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


def plain_elements(text: bytes) -> list[bytes]:
    """The values of an instruction that :data:`PLAIN` matched; each length is a single digit."""
    return [element[2:] for element in text[:-1].split(b",")]


def frame(buffer: bytes, start: int, max_elements: int = MAX_ELEMENTS) -> tuple[list[bytes], int]:
    """The values of the instruction at ``start``, opcode first, and the offset behind it.

    Raises Malformed or Incomplete. The verdict depends on the instruction's own bytes alone, never
    on how many more the buffer happens to hold.
    """
    values: list[bytes] = []
    position = start
    while len(values) < max_elements:
        dot = buffer.find(b".", position, position + MAX_DIGITS + 1)
        length = _LENGTHS.get(buffer[position:dot])
        if dot < 0 or length is None:
            length, dot = _unusual_length(buffer, position)
        end = dot + 1 + length
        value = buffer[dot + 1 : end]
        if not value.isascii():
            end = _end_of_text(buffer, dot + 1, length)
            value = buffer[dot + 1 : end]
        if end - start >= MAX_BYTES:
            raise Malformed(f"longer than {MAX_BYTES:,} bytes", end)
        terminator = buffer[end : end + 1]
        if terminator not in {b",", b";"}:
            if not terminator:
                raise Incomplete(end + 1)
            raise Malformed("an element does not end where its length says", end)
        values.append(value)
        position = end + 1
        if terminator == b";":
            _check(values, position)
            return values, position
    raise Malformed(f"more than {max_elements} elements", position)


def _unusual_length(buffer: bytes, position: int) -> tuple[int, int]:
    """A length with leading zeros and the offset of its dot; raises for anything else."""
    digits = _DIGITS.match(buffer, position, position + MAX_DIGITS)
    dot = position if digits is None else digits.end()
    if dot == len(buffer) and dot < position + MAX_DIGITS:
        raise Incomplete(dot + 1)
    if dot == position or buffer[dot : dot + 1] not in {b".", b""}:
        raise Malformed("an element does not begin with its length", dot)
    if dot == len(buffer):
        raise Incomplete(dot + 1)
    length = int(buffer[position:dot])
    if length > MAX_CHARACTERS:
        raise Malformed(f"an element of more than {MAX_CHARACTERS:,} characters", dot)
    return length, dot


def _end_of_text(buffer: bytes, begin: int, length: int) -> int:
    """Offset behind ``length`` code points of UTF-8; raises Incomplete."""
    end, missing = begin, length
    while missing:
        piece = buffer[end : end + missing]
        if len(piece) < missing:
            raise Incomplete(end + missing)
        missing -= len(piece.translate(None, _CONTINUATION))
        end += len(piece)
    for _ in range(3):
        if end == len(buffer):
            raise Incomplete(end + 1)
        if buffer[end] not in _CONTINUATION:
            break
        end += 1
    return end


def _check(values: list[bytes], end: int) -> None:
    """Raise Malformed where the lengths are right but the content cannot be."""
    if values[0] == b"blob" and len(values) > 2:
        if values[2].translate(None, _BASE64):
            raise Malformed("a blob that is not base64", end)
        return
    for value in values:
        if b"\0" in value:
            raise Malformed("NUL bytes", end)
        if not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError:
                raise Malformed("text that is not UTF-8", end) from None


def end_of_title(buffer: bytes, start: int) -> int | None:
    """Offset behind a malformed ``name`` instruction at ``start`` as guacd wrote it, if that fits.

    guacd takes a character's size from its first byte, counts one that is cut short as a whole one,
    and writes what there is (a terminal title is cut at a byte 0x9C, wherever that lies). So the
    semicolon stands at most three bytes before the end that the length says. Knowing it, nothing
    that a title says can be taken for an instruction. Raises Incomplete.
    """
    opening = _TITLE.match(buffer, start)
    if opening is None:
        return None
    end = opening.end()
    for _ in range(min(int(opening[1]), MAX_TITLE)):
        if end >= len(buffer):
            raise Incomplete(end + 1)
        end += _character_size(buffer[end])
    if end >= len(buffer):
        raise Incomplete(end + 1)
    for behind in range(end, max(end - 4, opening.end() - 1), -1):
        if buffer[behind : behind + 1] == b";":
            return behind + 1
    return None


MAX_TITLE: Final = 4_095  # bytes, guacd's terminal
_TITLE: Final = re.compile(rb"4\.name,([0-9]{1,4})\.")


def _character_size(first: int) -> int:
    """Bytes of a character as libguac (``unicode.c``) takes it from the first one."""
    if first < 0xC0 or first >= 0xF8:
        return 1
    return 2 if first < 0xE0 else 3 if first < 0xF0 else 4
