"""Encoded images that wait to be decoded, known by their headers until then.

Only an image that looks whole waits: one whose size and opacity its first bytes say for certain,
and whose end is there. Any other is decoded at once, so that it is refused where it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kasm_recd.guacamole import images, png
from kasm_recd.guacamole.limits import Undrawable

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.guacamole.geometry import Rect
    from kasm_recd.guacamole.inks import Held
    from kasm_recd.guacamole.pixels import Words


class Header(NamedTuple):
    """Size in pixels, and whether no pixel is translucent."""

    width: int
    height: int
    opaque: bool


class Picture:
    """An image that is decoded when its pixels are asked for."""

    def __init__(
        self, data: bytes, header: Header, held: Held, refused: Callable[[str], None]
    ) -> None:
        """``refused`` hears why it has no pixels, should that turn out."""
        self.width, self.height, self.opaque = header
        self._data = data
        self._refused = refused
        self._words: Words | None = None
        self._held = held
        self._bytes = len(data)
        held.bytes += self._bytes

    def pixels(self, part: Rect) -> Words | None:
        """As :meth:`kasm_recd.guacamole.inks.Ink.pixels`."""
        if self._data:
            self._decode()
        return None if self._words is None else self._words[part.within]

    def _decode(self) -> None:
        data, self._data = self._data, b""
        try:
            self._words = self._checked(images.decode_whole(data))
        except Undrawable as refusal:
            self._refused(str(refusal))
        decoded = 0 if self._words is None else self._words.nbytes
        self._held.bytes += decoded - self._bytes
        self._bytes = decoded

    def _checked(self, words: Words) -> Words:
        if words.shape != (self.height, self.width):
            raise Undrawable("image of another size than its header says")
        return words

    def __del__(self) -> None:
        self._held.bytes -= self._bytes


def header(data: bytes) -> Header | None:
    """What an image that looks whole says of itself; None for any other. Raises Undrawable."""
    if data.startswith(png.SIGNATURE):
        found = _png(data)
    elif data.startswith(b"RIFF"):
        found = _webp(data)
    elif data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9"):
        found = _jpeg(data)
    else:
        return None
    if found is not None:
        images.check_size(found.width, found.height)
    return found if found and found.width and found.height else None


def _png(data: bytes) -> Header | None:
    if not png.is_whole(data):
        return None
    found = png.size(data)
    return Header(found.width, found.height, found.colour in png.OPAQUE)


def _webp(data: bytes) -> Header | None:
    """A lossy WebP without alpha, or a lossless one; https://developers.google.com/speed/webp."""
    size = int.from_bytes(data[4:8], "little") + 8
    kind, chunk = data[8:16], int.from_bytes(data[16:20], "little")
    if size != len(data) or chunk + chunk % 2 != len(data) - 20 or len(data) < 30:  # noqa: PLR2004
        return None
    if kind == b"WEBPVP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return Header(width, height, opaque=True)
    if kind == b"WEBPVP8L" and data[20] == 0x2F:  # noqa: PLR2004 - the signature
        packed = int.from_bytes(data[21:25], "little")
        opaque = not packed >> 28 & 1
        return Header(1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF), opaque)
    return None


def _jpeg(data: bytes) -> Header | None:
    """JPEG (ITU T.81): the frame header of a grey or YCbCr image that is 8 bits deep."""
    at = 2
    while data[at : at + 1] == b"\xff" and at + 10 <= len(data):
        marker = data[at + 1]
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = (int.from_bytes(data[i : i + 2], "big") for i in (at + 5, at + 7))
            plain = data[at + 4] == 8 and data[at + 9] in (1, 3)  # noqa: PLR2004 - bits; components
            return Header(width, height, opaque=True) if plain else None
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
