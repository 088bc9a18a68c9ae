"""Pictures of any size into video frames of one size: square pixels, black bars, YUV 4:2:0.

Colours become BT.709 in the limited range, which is what players assume of HD video. As long as
nothing is scaled, only the parts that changed are converted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from kasm_recd.guacamole.geometry import NOWHERE, Rect
from kasm_recd.guacamole.pixels import octets, plane_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kasm_recd.guacamole.pixels import Bytes, Words

PIXEL_FORMAT: Final = "yuv420p"
_BLACK: Final = (16, 128, 128)
#: Changed parts are widened to multiples of this: chroma is shared by 2 x 2 pixels and filtered
#: over its neighbours, and the encoder works in blocks of 16 anyway.
_BLOCK: Final = 16


class Letterbox:
    """A frame of ``width`` x ``height``, both even, that pictures are put into again and again."""

    def __init__(self, width: int, height: int) -> None:
        self.frame = VideoFrame(width, height, PIXEL_FORMAT)
        self.frame.colorspace = Colorspace.ITU709
        self.frame.color_range = ColorRange.MPEG
        self._planes = [_plane(self.frame, index) for index in range(3)]
        self._place = NOWHERE
        self._reformatter = VideoReformatter()
        self._source = (0, 0)

    def put(self, picture: Words, changed: Iterable[Rect]) -> None:
        """Show ``picture``, which differs from the last one in ``changed`` alone."""
        rows, columns = picture.shape
        whole = Rect(0, 0, columns, rows)
        if (columns, rows) != self._source:
            self._source = (columns, rows)
            self._place = fitted(columns, rows, self.frame.width, self.frame.height)
            for plane, black in zip(self._planes, _BLACK, strict=True):
                plane[...] = black
            changed = [whole]
        if whole.empty:
            return
        if (self._place.width, self._place.height) != self._source:
            self._convert(picture, self._place)
            return
        for rect in changed:
            part = _widened(rect).cut_to(whole)
            self._convert(picture[part.within], part.moved(self._place.left, self._place.top))

    def _convert(self, part: Words, place: Rect) -> None:
        """Put ``part`` of a picture at ``place`` of the frame, scaled if it has another size."""
        frame = self._reformatter.reformat(
            VideoFrame.from_numpy_buffer(octets(part), "rgba"),
            place.width,
            place.height,
            PIXEL_FORMAT,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )
        for index, target in enumerate(self._planes):
            plane = _plane(frame, index)
            top, left = (place.top, place.left) if index == 0 else (place.top // 2, place.left // 2)
            height, width = plane.shape
            target[top : top + height, left : left + width] = plane


def fitted(width: int, height: int, frame_width: int, frame_height: int) -> Rect:
    """Where a picture lies in a frame: as large as it fits, in the middle, at even positions.

    A picture that fills the frame but for an odd row or column is not scaled.
    """
    if 0 <= frame_width - width < 2 and 0 <= frame_height - height < 2:  # noqa: PLR2004 - odd or even
        return Rect(0, 0, width, height)
    scale = min(frame_width / max(1, width), frame_height / max(1, height))
    shown_width, shown_height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    left, top = (frame_width - shown_width) // 4 * 2, (frame_height - shown_height) // 4 * 2
    return Rect.sized(left, top, shown_width, shown_height)


def _widened(rect: Rect) -> Rect:
    return Rect(
        rect.left // _BLOCK * _BLOCK,
        rect.top // _BLOCK * _BLOCK,
        -(-rect.right // _BLOCK) * _BLOCK,
        -(-rect.bottom // _BLOCK) * _BLOCK,
    )


def _plane(frame: VideoFrame, index: int) -> Bytes:
    """Rows x columns of one plane, without the padding at the end of each row; a view."""
    plane = frame.planes[index]
    return plane_of(
        memoryview(plane), width=plane.width, height=plane.height, stride=plane.line_size
    )
