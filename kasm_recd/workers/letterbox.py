"""Pictures of any size into video frames of one size: square pixels, black bars, YUV 4:2:0.

Colours become BT.709 in the limited range, which is what players assume of HD video. Only the parts
that changed are converted, and scaled where the picture has another size (``windows``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from kasm_recd.guacamole.geometry import NOWHERE, Rect
from kasm_recd.guacamole.pixels import octets, plane_of
from kasm_recd.workers.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kasm_recd.guacamole.pixels import Bytes, Words

PIXEL_FORMAT: Final = "yuv420p"
_BLACK: Final = (16, 128, 128)
_PIXELS_A_SAMPLE: Final = (1, 2, 2)  # of each plane, across and down
#: Changed parts are widened to multiples of this, as the encoder works in blocks of 16 anyway.
_BLOCK: Final = 16
#: Chroma is filtered over so many neighbours: a change reaches that far, and so does what it needs.
_REACH: Final = 8


class Letterbox:
    """A frame of ``width`` x ``height``, both even, that pictures are put into again and again."""

    def __init__(self, width: int, height: int) -> None:
        self.frame = VideoFrame(width, height, PIXEL_FORMAT)
        self.frame.colorspace = Colorspace.ITU709
        self.frame.color_range = ColorRange.MPEG
        self._planes = [_plane(self.frame, index) for index in range(3)]
        self._whole, self._part = VideoReformatter(), VideoReformatter()  # each keeps its filters
        self._source = NOWHERE  # all of the last picture
        self._place = NOWHERE  # where it lies in the frame
        self._windows = Windows(NOWHERE, NOWHERE)
        self._blacken()

    def put(self, picture: Words, changed: Iterable[Rect]) -> None:
        """Show ``picture``, which differs from the last one in ``changed`` alone."""
        rows, columns = picture.shape
        whole = Rect(0, 0, columns, rows)
        if whole != self._source:
            self._source = whole
            self._place = fitted(columns, rows, self.frame.width, self.frame.height)
            self._windows = Windows(self._source, self._place)
            self._blacken()
            changed = [whole]
        if whole.empty:
            return
        if self._convertible_in_parts:
            for rect in changed:
                self._put_part(picture, _widened(_grown(rect), _BLOCK).cut_to(whole))
        else:
            self._put_scaled(picture, [rect.cut_to(whole) for rect in changed])

    @property
    def _convertible_in_parts(self) -> bool:
        """Nothing is scaled; at an odd size chroma would be, by a little."""
        same = (self._place.width, self._place.height) == (self._source.width, self._source.height)
        return same and self._place.width % 2 == self._place.height % 2 == 0

    def _blacken(self) -> None:
        for plane, black in zip(self._planes, _BLACK, strict=True):
            plane[...] = black

    def _put_part(self, picture: Words, part: Rect) -> None:
        around = _grown(part).cut_to(self._source)
        frame = _converted(picture[around.within], around, self._part)
        inside = part.moved(-around.left, -around.top)
        self._paste(frame, inside, part.moved(self._place.left, self._place.top))

    def _put_scaled(self, picture: Words, changed: Iterable[Rect]) -> None:
        windows = self._windows.around(rect for rect in changed if not rect.empty)
        if windows is None:
            frame = _converted(picture, self._place, self._whole)
            self._paste(frame, Rect(0, 0, frame.width, frame.height), self._place)
            return
        for source, shown, sound in windows:
            frame = _converted(picture[source.within], shown, self._part)
            inside = sound.moved(-shown.left, -shown.top)
            self._paste(frame, inside, sound.moved(self._place.left, self._place.top))

    def _paste(self, source: VideoFrame, part: Rect, place: Rect) -> None:
        """Put ``part`` of ``source`` at ``place``, of the same size, of the frame."""
        for index, (plane, pixels) in enumerate(zip(self._planes, _PIXELS_A_SAMPLE, strict=True)):
            samples = _plane(source, index)[_shrunk(part, pixels).within]
            plane[_shrunk(place, pixels).within] = samples


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


def _converted(picture: Words, size: Rect, reformatter: VideoReformatter) -> VideoFrame:
    """``picture`` as YUV, scaled if ``size`` is another than its own."""
    return reformatter.reformat(
        VideoFrame.from_numpy_buffer(octets(picture), "rgba"),
        size.width,
        size.height,
        PIXEL_FORMAT,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.BICUBIC,
        threads=1,
    )


def _shrunk(rect: Rect, by: int) -> Rect:
    """All of ``rect``, counted in units of ``by`` pixels."""
    return Rect(rect.left // by, rect.top // by, -(-rect.right // by), -(-rect.bottom // by))


def _grown(rect: Rect) -> Rect:
    left, top, right, bottom = rect
    return Rect(left - _REACH, top - _REACH, right + _REACH, bottom + _REACH)


def _widened(rect: Rect, to: int) -> Rect:
    """All of ``rect``, at multiples of ``to``."""
    units = _shrunk(rect, to)
    return Rect(units.left * to, units.top * to, units.right * to, units.bottom * to)


def _plane(frame: VideoFrame, index: int) -> Bytes:
    """Rows x columns of one plane, without the padding at the end of each row; a view."""
    plane = frame.planes[index]
    return plane_of(
        memoryview(plane), width=plane.width, height=plane.height, stride=plane.line_size
    )
