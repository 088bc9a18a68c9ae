"""PNG (RFC 2083), as far as it is read here: its chunks, and pictures of a palette.

Most of what guacd sends has few colours and comes as a palette without filters. That takes no
more than inflating it and looking up its colours, a fraction of what a general decoder does.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from kasm_recd.guacamole.pixels import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.guacamole.pixels import Bytes, Words

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
#: Colour types without alpha: grey, RGB, palette. A tRNS chunk adds it to any of them.
OPAQUE: Final = (0, 2, 3)
PALETTE: Final = 3
#: Chunks that change nothing about size and opacity; guacd's have a bKGD, by way of cairo.
_PLAIN: Final = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"bKGD", b"pHYs", b"sRGB", b"gAMA"))
#: How a chunk begins: the size of its content, and its kind.
_OPENING: Final = struct.Struct(">I4s").unpack_from


class Size(NamedTuple):
    """Columns, rows, and by how many bits which kind of colour is said."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: int


def size(data: bytes) -> Size:
    """What the file's IHDR says; it has one."""
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    return Size(width, height, data[24], data[25], data[28])


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kinds of the file's chunks, as long as they are whole, and where their content lies in it."""
    at, length = len(SIGNATURE), len(data)
    while at + 12 <= length:
        size, kind = _OPENING(data, at)
        start, end = at + 8, at + 8 + size
        if end + 4 > length:
            return
        yield kind, start, end
        at = end + 4


def is_whole(data: bytes) -> bool:
    """Every chunk is there, with the right checksum, and is of the usual kind."""
    last, behind = b"", len(SIGNATURE)
    for kind, start, end in chunks(data):
        if (kind == b"IHDR") != (not last) or kind not in _PLAIN:
            return False
        if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        last, behind = kind, end + 4
    return last == b"IEND" and behind == len(data)


def palette_picture(data: bytes) -> Words | None:
    """The pixels of a whole file with an opaque palette and no filters; None for any other."""
    width, height, depth, colour, interlaced = size(data)
    if colour != PALETTE or depth not in (1, 2, 4, 8) or interlaced or not width * height:
        return None
    packed, colours = [], b""
    for kind, start, end in chunks(data):
        if kind == b"IDAT":
            packed.append(data[start:end])
        elif kind == b"PLTE":
            colours = data[start:end]
    row = 1 + -(-width * depth // 8)  # a byte that names the filter comes first
    try:
        raw = zlib.decompressobj().decompress(b"".join(packed), row * height)
    except zlib.error:
        return None
    if len(raw) != row * height:
        return None
    rows: Bytes = np.frombuffer(raw, np.uint8).reshape(height, row)
    indices = _indices(rows[:, 1:], depth)[:, :width]
    if rows[:, 0].any() or 3 * int(indices.max()) >= len(colours):
        return None
    return _looked_up(colours).take(indices)


def _indices(packed: Bytes, depth: int) -> Bytes:
    """One byte for each of the numbers of ``depth`` bits that lie in ``packed``."""
    if depth == 8:  # noqa: PLR2004 - a byte already
        return packed
    shifts = np.array(range(8 - depth, -1, -depth), np.uint8)
    numbers: Bytes = packed[..., None] >> shifts & np.uint8((1 << depth) - 1)
    return numbers.reshape(len(packed), -1)


def _looked_up(colours: bytes) -> Words:
    """The palette, red, green and blue by turns, as words."""
    count = len(colours) // 3
    table = np.full((count, 4), 255, np.uint8)
    table[:, :3] = np.frombuffer(colours, np.uint8, count * 3).reshape(count, 3)
    return words_of(table)
