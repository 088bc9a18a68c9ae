"""What an encoder is: the job that it is given, and the clip that it answers with.

An encoder runs programs in the attempt's own folder and answers with a clip that was probed and
found to be what was asked for. It decides nothing about the segment and makes nothing durable: the
folder is thrown away after the attempt, whatever came of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from kasm_recd.errors import Unplayable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from kasm_recd.contents import Contents, Damage, Survey
    from kasm_recd.process import ChildId

CLIP_NAME: Final = "clip.mp4"
THUMBNAIL_NAME: Final = "thumbnail.jpg"
FOLLOWING_NAME: Final = "following.guac"


#: Codec settings, and what FFmpeg calls the streams that they make.
CODECS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "libx264": "h264",
        "libx265": "hevc",
        "libsvtav1": "av1",
        "h264_nvenc": "h264",
        "h264_vaapi": "h264",
    }
)


@dataclass(frozen=True, slots=True)
class Video:
    """The codec, and its preset and quality as it counts them; empty and 0: what suits screens."""

    codec: str = "libx264"
    preset: str = ""
    quality: int = 0

    def __str__(self) -> str:
        preset = f", video_preset = {self.preset}" if self.preset else ""
        quality = f", video_quality = {self.quality}" if self.quality else ""
        return f"video_codec = {self.codec}{preset}{quality}"

    @property
    def makes(self) -> str:
        """What FFmpeg calls it."""
        return CODECS[self.codec]

    @property
    def arguments(self) -> tuple[str, ...]:
        """What a worker is told of it."""
        quality = ("--quality", str(self.quality))
        return ("--codec", self.codec, "--preset", self.preset, *quality)


@dataclass(frozen=True, slots=True)
class Picture:
    """What clips look like: pixels, frames a second at most, and bit/s as a ceiling.

    ``width`` and ``height`` of 0 stand for the size of the recorded display. ``video`` is the
    native encoder's; behind guacenc there is always libx264.
    """

    width: int
    height: int
    framerate: int
    bitrate: int
    video: Video = Video()


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one segment.

    ``folder`` is the attempt's own, empty and 0700. ``end_timestamp`` is the clip's end on guacd's
    clock, in milliseconds, not before the last ``sync``. ``preamble`` is read before ``body``, as
    if the two were one file; a recording's first segment has none. Where ``hand_over`` is set the
    next segment's preamble is wanted too, if it comes out of the same pass. ``survey_from`` is set
    where ``contents`` are no more than the cut knew: all of the body, which begins there in its
    recording, is to be surveyed in the same pass. Only the native encoder can.
    """

    body: Path
    folder: Path
    contents: Contents
    end_timestamp: int
    picture: Picture
    preamble: Path | None = None
    hand_over: bool = False
    survey_from: int | None = None

    @property
    def input(self) -> tuple[str, ...]:
        """What a worker is told to read."""
        preamble = ("--preamble", str(self.preamble)) if self.preamble else ()
        return ("--input", str(self.body), *preamble)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the clip: even numbers, as yuv420p wants them."""
        width = self.picture.width or self.contents.width
        height = self.picture.height or self.contents.height
        return width + width % 2, height + height % 2

    @property
    def duration_ms(self) -> int:
        """From the first ``sync`` to the clip's end; raises Unplayable without a ``sync``."""
        if self.contents.first_sync is None:
            raise Unplayable(f"{self.body} has no sync, so nothing of it has a time")
        return max(0, self.end_timestamp - self.contents.first_sync)

    @property
    def frame_ms(self) -> float:
        """The frame interval."""
        return 1000 / self.picture.framerate


@dataclass(frozen=True, slots=True)
class Clip:
    """A probed clip and its thumbnail, in the job's folder; ``damage`` as the encoder saw it.

    ``following`` is the next segment's preamble, where the encoder handed one over;
    ``seek_aids`` are the files of ``manifest.SEEK_AIDS``, or none. ``survey`` is there where the
    job asked for one; a clip of what turned out empty was not looked at any further.
    """

    path: Path
    thumbnail: Path
    duration_ms: int
    width: int
    height: int
    encoder: str
    damage: tuple[Damage, ...] = ()
    following: Path | None = None
    seek_aids: Mapping[str, Path] = field(default_factory=dict)
    survey: Survey | None = None

    @property
    def files(self) -> dict[str, Path]:
        """What of it goes up, by its role in the manifest."""
        return {"clip": self.path, "thumbnail": self.thumbnail, **self.seek_aids}


class Encoder(Protocol):
    """One way from a segment to a clip."""

    name: str

    def available(self) -> None:
        """Raises EncoderMissing, with the package to install, where a program is missing."""

    async def encode(
        self,
        job: Job,
        *,
        on_start: Callable[[ChildId], Awaitable[None]] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Clip:
        """Makes the clip. ``on_start`` is told each child; ``on_progress`` gets 0.0 to 1.0, rising.

        Cancellation ends the children at once. May be called again for the same segment with
        another folder.

        Raises:
            WorkerFailed: a program failed, ran out of a limit or past the deadline.
            ClipRejected: the programs were content, what they made is not.
            DiskFull: a program said that there is no room.
            EncoderMissing: as :meth:`available`.
        """
