"""Single pictures of a clip as JPEG: small ones of its frames, and sheets of them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from kasm_recd.guacamole.pixels import plane_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kasm_recd.guacamole.pixels import Bytes

_FORMAT: Final = "yuvj420p"
_QUANTISER: Final = 3  # 2 is the finest
_LAMBDA: Final = 118  # FFmpeg counts quality in this unit (FF_QP2LAMBDA)
_BLACK: Final = (0, 128, 128)


def shrunk(frame: VideoFrame, width: int, height: int) -> VideoFrame:
    """A frame of ``width`` x ``height`` in JPEG's colours: BT.601 over the full range."""
    return frame.reformat(
        width,
        height,
        _FORMAT,
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.AREA,
        threads=1,
    )


def sheet(tiles: Sequence[VideoFrame], columns: int) -> VideoFrame:
    """All of ``tiles``, of one even size, in rows of ``columns``; what is left over is black."""
    width, height = tiles[0].width, tiles[0].height
    whole = VideoFrame(width * columns, height * -(-len(tiles) // columns), _FORMAT)
    for index, black in enumerate(_BLACK):
        plane = _plane(whole, index)
        plane[...] = black
        for number, tile in enumerate(tiles):
            samples = _plane(tile, index)
            rows, across = samples.shape
            top, left = number // columns * rows, number % columns * across
            plane[top : top + rows, left : left + across] = samples
    return whole


def jpeg(frame: VideoFrame) -> bytes:
    """``frame``, which is in JPEG's colours, as a JPEG."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, _FORMAT
    encoder.color_range = ColorRange.JPEG
    encoder.time_base = Fraction(1, 1000)
    encoder.thread_count = 1  # in slices by several threads it takes up to a third more bytes
    encoder.options = {"flags": "+qscale", "global_quality": str(_QUANTISER * _LAMBDA)}
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


def _plane(frame: VideoFrame, index: int) -> Bytes:
    plane = frame.planes[index]
    return plane_of(
        memoryview(plane), width=plane.width, height=plane.height, stride=plane.line_size
    )
