"""Open streams: what ``img`` announced and ``blob`` has delivered so far; what others play on."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from pybase64 import b64decode

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.limits import Undrawable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kasm_recd.guacamole.layers import Layer


@dataclass(slots=True)
class ImageStream:
    """An image on its way to (``x``, ``y``) of ``layer``."""

    layer: Layer
    x: int
    y: int
    mimetype: bytes
    data: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class MediaStream:
    """Sound or video: what its stream began with, after the index. What it plays is not kept."""

    opcode: str
    args: tuple[bytes, ...]


class Streams:
    """The open streams by index; bounded in number and in bytes."""

    def __init__(self) -> None:
        self._open: dict[int, ImageStream] = {}
        self._media: dict[int, MediaStream] = {}

    @property
    def images(self) -> Mapping[int, ImageStream]:
        """Images on their way."""
        return MappingProxyType(self._open)

    @property
    def media(self) -> Mapping[int, MediaStream]:
        """What sounds or moves."""
        return MappingProxyType(self._media)

    def open(self, index: int, stream: ImageStream) -> None:
        """Begin a stream; one that is open at this index is given up. Raises Undrawable."""
        self._check_room(index)
        self._open[index] = stream

    def play(self, index: int, stream: MediaStream) -> None:
        """Begin sound or video; what is open at this index is given up. Raises Undrawable."""
        self._check_room(index)
        self._media[index] = stream

    def receive(self, index: int, blob: bytes) -> None:
        """Base64 for an open stream; any other stream's is not for us. Raises Undrawable."""
        stream = self._open.get(index)
        if stream is None:
            return
        try:
            stream.data += b64decode(blob, validate=True)  # a tenth of binascii's time
        except binascii.Error as error:
            self.drop(index)
            raise Undrawable(f"image stream {index} is not base64: {error}") from None
        if sum(len(other.data) for other in self._open.values()) > limits.STREAM_BYTES:
            self.drop(index)
            raise Undrawable(f"image streams hold more than {limits.STREAM_BYTES} bytes")

    def end(self, index: int) -> ImageStream | None:
        """Close a stream and take what it holds; None when no image is open there."""
        self._media.pop(index, None)
        return self._open.pop(index, None)

    def drop(self, index: int) -> None:
        """Forget a stream: something else uses its index now."""
        self._open.pop(index, None)
        self._media.pop(index, None)

    def drop_to(self, layer: Layer) -> None:
        """Forget the streams into a layer that is no more."""
        self._open = {i: stream for i, stream in self._open.items() if stream.layer is not layer}

    def _check_room(self, index: int) -> None:
        self.drop(index)
        if len(self._open) + len(self._media) >= limits.OPEN_STREAMS:
            raise Undrawable(f"more than {limits.OPEN_STREAMS} streams at once")
