"""How a clip is encoded: MP4 with true presentation times and an index at the front."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, cast

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from kasm_recd.workers import codecs, stills
from kasm_recd.workers.letterbox import PIXEL_FORMAT, Letterbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from kasm_recd.guacamole.geometry import Rect
    from kasm_recd.guacamole.pixels import Words

#: A keyframe comes after so much content. A picture that stands still is none: a player that is
#: sent somewhere decodes the frames since the last keyframe, however long they were seen.
KEYFRAME_MS: Final = 10_000
#: How much of the time between two frames counts as content. The encoder is told of no more: under
#: a ceiling x264 starves a frame that lasts long, and from 40 s on what it changes is not seen.
STILL_MS: Final = 1_000
THUMBNAIL_WIDTH: Final = 480
_MILLISECOND: Final = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Coding:
    """Which codec encodes, and how; ``bitrate`` is a ceiling in bit/s.

    An empty ``preset`` and a ``quality`` of 0 stand for what suits screens. ``scrolls`` is as in
    :class:`~kasm_recd.workers.codecs.Asked`.
    """

    bitrate: int
    codec: str = codecs.DEFAULT_CODEC
    preset: str = ""
    quality: int = 0
    threads: int = 1
    scrolls: Callable[[], bool] = codecs.never

    def options(self, framerate: int) -> dict[str, str]:
        """As FFmpeg names them; raises KeyError and WorkerFailed."""
        asked = codecs.Asked(self.preset, self.quality, self.bitrate, framerate, self.scrolls)
        return codecs.options(self.codec, asked)


class Clip:
    """Writes one clip; frames come with rising moments in milliseconds.

    ``width`` and ``height`` are even. Frames are not reordered
    (no B-frames), so each packet's duration is the distance to the next one, and the last picture
    is held to the end without being repeated.
    """

    def __init__(
        self, path: Path, *, width: int, height: int, framerate: int, coding: Coding
    ) -> None:
        self.width, self.height = width, height
        self.frames = 0
        self._letterbox = Letterbox(width, height)
        self._container = av.open(path, "w", format="mp4", options={"movflags": "+faststart"})
        stream = self._container.add_stream(coding.codec, rate=framerate)
        self._stream = cast("VideoStream", stream)  # the only kind that these codecs make
        context = self._stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = PIXEL_FORMAT
        context.sample_aspect_ratio = Fraction(1)
        context.time_base = _MILLISECOND
        context.thread_count = coding.threads
        context.colorspace = Colorspace.ITU709
        context.color_range = ColorRange.MPEG
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.gop_size = max(1, framerate * KEYFRAME_MS // 1000)
        context.options = coding.options(framerate)
        if tag := codecs.CODECS[coding.codec].tag:
            context.codec_tag = tag
        self._content_ms = 0  # the time as the encoder is told it
        self._keyframe_at = 0  # in content; the first frame is one
        self._shown_at = 0
        self._moments: deque[int] = deque()  # of frames whose packets are yet to come
        self._held: tuple[int, Packet[VideoStream]] | None = None

    def show(self, picture: Words, changed: Iterable[Rect], moment: int) -> None:
        """From ``moment`` on, ``picture`` is seen; it differs from the last in ``changed``."""
        self._letterbox.put(picture, changed)
        self._content_ms += min(moment - self._shown_at, STILL_MS)
        self._shown_at = moment
        self._moments.append(moment)
        frame = self._letterbox.frame
        frame.pts, frame.time_base = self._content_ms, _MILLISECOND
        frame.pict_type = PictureType.NONE
        if self._content_ms >= self._keyframe_at:
            frame.pict_type = PictureType.I
            self._keyframe_at = self._content_ms + KEYFRAME_MS
        self._write(self._stream.encode(frame))
        self.frames += 1

    @property
    def shown(self) -> VideoFrame:
        """What was shown last; overwritten by the next call of :meth:`show`."""
        return self._letterbox.frame

    def thumbnail(self) -> bytes:
        """What was shown last, as a JPEG of at most THUMBNAIL_WIDTH columns."""
        shown = self.shown
        scale = min(1.0, THUMBNAIL_WIDTH / shown.width)
        size = round(shown.width * scale), max(1, round(shown.height * scale))
        return stills.jpeg(stills.shrunk(shown, *size))

    def close(self, end: int) -> None:
        """The last picture is seen until ``end``."""
        self._write(self._stream.encode(None))
        self._write_held(until=end)
        self._container.close()

    def _write(self, packets: Iterable[Packet[VideoStream]]) -> None:
        for packet in packets:
            moment = self._moments.popleft()
            self._write_held(until=moment)
            packet.pts = packet.dts = moment
            self._held = moment, packet

    def _write_held(self, *, until: int) -> None:
        """A packet is held back until it is known how long its picture is seen."""
        if self._held is not None:
            moment, packet = self._held
            packet.duration = max(1, until - moment)
            self._container.mux(packet)
