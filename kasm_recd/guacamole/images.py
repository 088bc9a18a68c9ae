"""Encoded images to pixels: PNG, JPEG and WebP, their size checked before anything is decoded.

And pixels to PNG, without loss: a premultiplied pixel comes back as it was.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image
from PIL._webp import WebPAnimDecoder
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from kasm_recd.guacamole import limits, png
from kasm_recd.guacamole.compositing import opaque, premultiplied, unmultiplied
from kasm_recd.guacamole.limits import Undrawable
from kasm_recd.guacamole.pixels import octets, words_of

if TYPE_CHECKING:
    from kasm_recd.guacamole.pixels import Words

_WEBP_HEADER: Final = 30
_LEVEL: Final = 6  # 5 to 40 % smaller than level 2, and worth the third more time
Image.preinit()  # ``save`` would do it at the first picture, in each worker that is forked anew
#: Pillow would warn at one limit and raise at twice that; the size is judged here instead.
Image.MAX_IMAGE_PIXELS = None


def decode(data: bytes) -> Words:
    """The image's pixels, premultiplied. Raises Undrawable.

    What kind of image it is its first bytes say, as in the player; its declared type is not asked.
    """
    try:
        words = _webp(data) if data.startswith(b"RIFF") else _png_or_jpeg(data)
    except (OSError, ValueError, SyntaxError, MemoryError, EOFError) as error:
        raise Undrawable(f"image cannot be decoded: {error}") from error
    if opaque(words):
        return words
    # libwebp, which the browser lets multiply, rounds down; the browser itself to nearest.
    return words_of(premultiplied(octets(words), truncated=data.startswith(b"RIFF")))


def decode_whole(data: bytes) -> Words:
    """As :func:`decode`, for an image that looks whole: there is a faster way for some."""
    words = png.palette_picture(data) if data.startswith(png.SIGNATURE) else None
    return decode(data) if words is None else words


def _webp(data: bytes) -> Words:
    """Pixels not yet premultiplied, of the first one of several pictures.

    Pillow's decoder gives them as they are wanted here, and what Pillow makes of them copies them
    three times. Raises what it raises, and Undrawable.
    """
    width, height = _webp_size(data)
    check_size(width, height)  # it allocates all of the picture when it opens it
    decoded = WebPAnimDecoder(data).get_next()
    if decoded is None:
        raise ValueError("broken WebP")
    words: Words = np.frombuffer(decoded[0], np.uint32)
    return words.reshape(height, width)


def _png_or_jpeg(data: bytes) -> Words:
    """Pixels not yet premultiplied. Raises what Pillow raises, and Undrawable."""
    with _opened(data) as image:
        check_size(*image.size)
        if image.mode == "RGB" and "transparency" not in image.info:
            width, height = image.size
            words: Words = np.frombuffer(image.tobytes("raw", "RGBX"), np.uint32)
            if opaque(words):  # the fourth byte is said to be anything
                return words.reshape(height, width)
        return words_of(np.asarray(image.convert("RGBA")))


def _opened(data: bytes) -> Image.Image:
    """The image, not yet decoded. Raises what Pillow raises.

    No other decoder is wanted: ``Image.open`` would try all that it knows.
    """
    file = BytesIO(data)
    if data.startswith(png.SIGNATURE):
        return PngImageFile(file)
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(file)
    raise Undrawable("image cannot be decoded: neither PNG, JPEG nor WebP")


def check_size(width: int, height: int) -> None:
    """Raises Undrawable for an image that is never decoded."""
    if max(width, height) > limits.CANVAS_SIDE or width * height > limits.IMAGE_PIXELS:
        raise Undrawable(f"image too large: {width}x{height}")


def encode(words: Words) -> bytes:
    """A PNG that :func:`decode` gives back as the same words."""
    pixels = octets(words)
    pixels = pixels[..., :3] if opaque(words) else unmultiplied(pixels)
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=_LEVEL)
    return file.getvalue()


def _webp_size(data: bytes) -> tuple[int, int]:
    """What its header says; https://developers.google.com/speed/webp/docs/riff_container."""
    header = data[:_WEBP_HEADER].ljust(_WEBP_HEADER, b"\0")
    kind = header[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(header[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", header, 21)
        width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    else:
        width, height = (size & 0x3FFF for size in struct.unpack_from("<HH", header, 26))
    return width, height
