"""A finished clip read back from the disk: what is told of it is what players find.

Demuxer and decoder are fresh: the encoder's own idea of the clip plays no part in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import av.subtitles.stream  # PyAV would at the first stream, in each worker that is forked anew
from av.error import FFmpegError

from kasm_recd.errors import WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream


def read_back(clip: Path) -> dict[str, Any]:
    """Reads all of an MP4 and decodes its first picture; returns what the daemon judges it by.

    ``bytes`` is the file's size, ``codec`` as FFmpeg calls it, ``first_packet`` the offset of the
    first picture in the file, ``pictures`` how many there are.

    Raises OSError, and WorkerFailed where the clip is no video that can be played.
    """
    try:
        with av.open(clip, format="mp4") as container:
            return {"bytes": clip.stat().st_size, **_told(container)}
    except FFmpegError as error:
        raise WorkerFailed(f"the finished {clip.name} cannot be played: {error}") from error


def _told(container: InputContainer) -> dict[str, Any]:
    if [stream.type for stream in container.streams] != ["video"]:
        raise WorkerFailed(f"the finished clip has {len(container.streams)} streams")
    stream = container.streams.video[0]
    first, pictures = _followed(stream, container.demux(stream))
    duration_s = (stream.duration or 0) * (stream.time_base or 0)
    return {
        "codec": stream.codec_context.codec.canonical_name,
        "pixel_format": stream.pix_fmt,
        "width": stream.width,
        "height": stream.height,
        "square_pixels": (stream.sample_aspect_ratio or 1) == 1,
        "duration_ms": round(duration_s * 1000),
        "first_packet": first,
        "pictures": pictures,
    }


def _followed(stream: VideoStream, packets: Iterable[Packet[VideoStream]]) -> tuple[int, int]:
    """The first packet's offset, and how many there are; the first one can be decoded."""
    stream.codec_context.thread_count = 1  # a pool of threads for one picture costs more than it
    stream.codec_context.options = {"err_detect": "explode"}
    first, pictures = 0, 0
    for packet in packets:
        if not packet.size:
            continue  # the one that tells of the end
        if packet.is_corrupt:
            raise WorkerFailed("the finished clip breaks off")
        if not pictures:
            first = packet.pos or 0
            decoded = (*stream.decode(packet), *stream.decode(None))
            if len(decoded) != 1 or decoded[0].is_corrupt:
                raise WorkerFailed("the finished clip's first picture cannot be decoded")
        pictures += 1
    return first, pictures
