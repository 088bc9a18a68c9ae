"""Images: every kind that guacd sends, and those that nobody should."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.images import decode
from kasm_recd.guacamole.limits import Undrawable
from kasm_recd.guacamole.pixels import octets
from tests.painting import GREEN, Painter, encoded, plain

if TYPE_CHECKING:
    from kasm_recd.guacamole.pixels import Bytes


def _noise(height: int, width: int, channels: int) -> Bytes:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


def _png(width: int, height: int) -> bytes:
    """A PNG whose header claims that size; its pixels are a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    pixels = zlib.compress(bytes(4096))
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    )


def _webp(kind: bytes, body: bytes) -> bytes:
    return (
        b"RIFF"
        + struct.pack("<I", 4 + 8 + len(body))
        + b"WEBP"
        + kind
        + struct.pack("<I", len(body))
        + body
    )


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_opaque_image_comes_out_as_it_went_in(kind: str) -> None:
    pixels = _noise(5, 7, 3)
    decoded = octets(decode(encoded(pixels, kind)))
    assert np.array_equal(decoded[..., :3], pixels)
    assert (decoded[..., 3] == 255).all()


def test_a_jpeg_is_decoded() -> None:
    decoded = octets(decode(encoded(plain(16, 16, GREEN)[..., :3].copy(), "JPEG")))
    assert np.abs(decoded.astype(int) - np.array(GREEN)).max() <= 2


def test_a_translucent_image_is_premultiplied() -> None:
    decoded = octets(decode(encoded(plain(2, 2, (255, 100, 0, 128)))))
    assert decoded[0, 0].tolist() == [128, 50, 0, 128]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing like an image",
        b"RIFF",
        b"RIFF\x04\0\0\0WEBP",
        encoded(plain(50, 50, GREEN))[:-40],
        encoded(_noise(50, 50, 3), "WEBP")[:-40],
        encoded(_noise(50, 50, 3))[:200],
        encoded(_noise(50, 50, 3)).replace(b"IDAT", b"IDAX"),
        encoded(_noise(50, 50, 3), "GIF"),
    ],
    ids=["none", "text", "riff", "webp", "cut", "cut webp", "cut png", "broken", "gif"],
)
def test_what_is_no_whole_image_of_a_known_kind_is_refused(data: bytes) -> None:
    with pytest.raises(Undrawable, match="cannot be decoded"):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        _png(100_000, 100_000),
        _png(20_000, 10),
        _png(8_000, 8_000),
        _webp(b"VP8X", b"\0\0\0\0" + b"\xff\x3f\0" + b"\xff\x3f\0"),
        _webp(b"VP8L", b"\x2f" + struct.pack("<I", 0x0FFFFFFF)),
        _webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 0x3FFF, 0x3FFF)),
    ],
    ids=["png", "wide png", "large png", "VP8X", "VP8L", "VP8"],
)
def test_an_image_bomb_is_refused_by_its_header(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        pytest.fail("it was decoded")

    monkeypatch.setattr("PIL.Image.Image.convert", never)
    with pytest.raises(Undrawable, match="image too large"):
        decode(data)


def test_the_largest_images_are_as_large_as_the_largest_display() -> None:
    assert limits.IMAGE_PIXELS >= 7680 * 4320


def test_a_refused_image_leaves_the_picture_and_is_named_with_its_place() -> None:
    painter = Painter()
    painter.image(0, (0, 0), _png(100_000, 100_000))
    painter.image(0, (0, 0), encoded(plain(8, 8, GREEN)))
    assert painter.refusals == ["end: image too large: 100000x100000"]
    assert painter.pixel(0, 0) == (0, 255, 0)


@pytest.mark.parametrize(("kind", "premultiplied"), [("PNG", 53), ("WEBP", 52)])
def test_translucent_colours_are_multiplied_as_the_browser_does(
    kind: str, premultiplied: int
) -> None:
    painter = Painter()
    painter.image(-1, (0, 0), encoded(plain(4, 4, (112, 112, 112, 120)), kind))
    assert painter.inside(-1, 1, 1) == (*(premultiplied,) * 3, 120)
