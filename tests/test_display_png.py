"""Palettes are looked up here and not by Pillow: to the same pixels, or not at all."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kasm_recd.guacamole import png
from kasm_recd.guacamole.images import decode, decode_whole
from kasm_recd.guacamole.limits import Undrawable
from tests.painting import encoded

if TYPE_CHECKING:
    from kasm_recd.guacamole.pixels import Bytes

COLOURS = np.random.default_rng(7).integers(0, 256, (256, 3), np.uint8).tobytes()


def _file(width: int, height: int, depth: int, rows: bytes, colours: bytes = COLOURS) -> bytes:
    """A palette's file; ``rows`` begin with the byte of their filter."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, png.PALETTE, 0, 0, 0)
    packed = zlib.compress(rows)
    return png.SIGNATURE + b"".join(
        (
            *(chunk(b"IHDR", header), chunk(b"PLTE", colours), chunk(b"IDAT", packed[:9])),
            *(chunk(b"IDAT", packed[9:]), chunk(b"IEND", b"")),
        )
    )


def _rows(width: int, height: int, depth: int) -> Bytes:
    rows = np.random.default_rng(1).integers(0, 256, (height, 1 + -(-width * depth // 8)), np.uint8)
    rows[:, 0] = 0
    return rows


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_of_any_depth_comes_out_as_from_pillow(depth: int) -> None:
    colours = COLOURS[: 3 << depth]
    for width, height in ((1, 1), (7, 3), (64, 5), (33, 64)):
        data = _file(width, height, depth, _rows(width, height, depth).tobytes(), colours)
        assert png.is_whole(data)
        looked_up = png.palette_picture(data)
        assert looked_up is not None
        assert np.array_equal(looked_up, decode(data))


def test_what_is_no_plain_palette_is_left_to_pillow() -> None:
    rows = _rows(40, 30, 8)
    filtered = rows.copy()
    filtered[4, 0] = 2
    noise = np.random.default_rng(3).integers(0, 256, (30, 40, 3), np.uint8)
    adaptive = io.BytesIO()
    Image.fromarray(noise).quantize(16).save(adaptive, "PNG", bits=8)
    for data in (
        adaptive.getvalue(),
        _file(40, 30, 8, filtered.tobytes()),
        _file(40, 30, 8, rows.tobytes(), COLOURS[:30]),  # colours that it does not have
        encoded(noise),
    ):
        assert png.palette_picture(data) is None
        assert np.array_equal(decode_whole(data), decode(data))


def test_a_palette_that_inflates_to_something_else_is_refused_as_ever() -> None:
    rows = _rows(40, 30, 8).tobytes()
    short, garbage = _file(40, 30, 8, rows[:99]), _file(40, 30, 8, rows)
    at = garbage.index(b"IDAT") + 4
    garbage = garbage[:at] + b"\x55" * 9 + garbage[at + 9 :]
    for data in (short, garbage):
        assert png.palette_picture(data) is None
        with pytest.raises(Undrawable):
            decode_whole(data)
    bomb = _file(40, 30, 8, rows + bytes(50_000_000))  # what lies beyond is not inflated
    assert png.palette_picture(bomb) is not None


def test_a_checksum_that_is_wrong_is_noticed() -> None:
    data = _file(40, 30, 8, _rows(40, 30, 8).tobytes())
    for at in range(16, len(data) - 8, 7):
        broken = bytearray(data)
        broken[at] ^= 1
        assert not png.is_whole(bytes(broken))
