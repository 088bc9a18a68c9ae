"""Judging clips: what a finished file turned out to be is held against what was asked for.

An exit code proves nothing: guacenc says 0 for a recording that it lost half of and for a file that
it could not finish. What other programs made ffprobe looks into, as a limited child like every
program that reads such bytes; the container is named to it, so that a file cannot pass as a
playlist that points elsewhere. Our own workers read back what they wrote (``told``): starting
another program for that took longer than many a clip.
"""

from __future__ import annotations

import json
import math
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from kasm_recd import process
from kasm_recd.errors import ClipRejected, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kasm_recd.encoder import Job

LIMITS: Final = process.Limits(memory=2_000_000_000, file_size=0, cpu_seconds=60, deadline_s=120.0)
CODEC: Final = "h264"
PIXEL_FORMAT: Final = "yuv420p"
#: An index (moov) is never this small, so a first packet before this byte lies before the index.
SMALLEST_INDEX: Final = 256
JPEG_START: Final = b"\xff\xd8\xff"
LARGEST_BESIDE: Final = 8_000_000  # bytes of each file beside a clip
#: Options before ``-i`` for reading what a worker made: a local MP4, nothing else.
READ_MP4: Final = ("-protocol_whitelist", "file", "-f", "mov")

_ENTRIES: Final = (
    "stream=codec_type,codec_name,pix_fmt,width,height,sample_aspect_ratio,duration"
    ":format=duration:packet=pos"
)
#: What a worker tells of a clip that it read back.
_TOLD: Final = {
    "bytes": int,
    "codec": str,
    "pixel_format": str,
    "width": int,
    "height": int,
    "square_pixels": bool,
    "duration_ms": int,
    "first_packet": int,
    "pictures": int,
}
_LARGEST: Final = 1 << 53  # of its numbers


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file with one video stream was found to be; ``faststart``: its index comes first."""

    codec: str
    pixel_format: str
    width: int
    height: int
    square_pixels: bool
    duration_ms: int
    faststart: bool


def ffprobe() -> str:
    """Its path; raises EncoderMissing."""
    return process.find_program("ffprobe", hint="apt-get install ffmpeg")


async def probe(
    clip: Path, *, limits: process.Limits = LIMITS, cage: process.Cage = "auto"
) -> Probe:
    """Reads the index and the first packet of an MP4, in ``cage``.

    Raises:
        ClipRejected: there is no such file, or it cannot be played.
        WorkerFailed: ffprobe ran out of a limit or past its deadline.
        EncoderMissing: there is no ffprobe.
    """
    if not _is_file(clip):
        raise ClipRejected(f"no {clip.name} was made")
    argv = [
        *(ffprobe(), "-v", "error", *READ_MP4, "-show_entries", _ENTRIES),
        *("-read_intervals", "%+#1", "-of", "json", "-i", str(clip)),
    ]
    done = await process.run(argv, folder=clip.parent, limits=replace(limits, cage=cage))
    if done.code != 0:
        cause = done.stderr_tail.partition("\n")[0] or done.ending
        raise ClipRejected(f"{clip.name} cannot be played: {cause}")
    try:
        return _read(json.loads(done.stdout))
    except (ValueError, LookupError, TypeError) as error:
        raise ClipRejected(f"{clip.name} is no video with one picture stream: {error}") from error


def told(clip: Path, answer: Mapping[str, Any]) -> Probe:
    """What the worker that made ``clip`` found when it read the file back, from its ``answer``.

    Raises:
        ClipRejected: there is no such file, or not all pictures are in it.
        WorkerFailed: the answer does not say, or of a file of another size.
    """
    if not _is_file(clip):
        raise ClipRejected(f"no {clip.name} was made")
    found = answer.get("probe")
    if not _is_whole(found):
        raise WorkerFailed(f"the worker does not say what {clip.name} is: {found!r:.200}")
    size = clip.stat().st_size
    if found["bytes"] != size:
        raise WorkerFailed(f"the worker read {found['bytes']} of {size} bytes of {clip.name}")
    if found["pictures"] != answer.get("frames"):
        raise ClipRejected(
            f"{clip.name} has {found['pictures']} pictures, not {answer.get('frames')}"
        )
    return Probe(
        codec=found["codec"],
        pixel_format=found["pixel_format"],
        width=found["width"],
        height=found["height"],
        square_pixels=found["square_pixels"],
        duration_ms=found["duration_ms"],
        faststart=found["first_packet"] >= SMALLEST_INDEX,
    )


def check(found: Probe, job: Job, *, codec: str = CODEC, rounding_ms: int = 0) -> None:
    """Holds a finished clip against its job; ``rounding_ms`` is what the encoder's clock may add.

    ``codec`` is the wanted one by FFmpeg's name.

    Raises:
        ClipRejected: says of each point what was found and what was expected.
    """
    width, height = job.size
    slack_ms = math.ceil(job.frame_ms) + rounding_ms
    expected = {
        "codec": (found.codec, codec),
        "pixel format": (found.pixel_format, PIXEL_FORMAT),
        "size": (f"{found.width}x{found.height}", f"{width}x{height}"),
        "square pixels": (found.square_pixels, True),
        "index first": (found.faststart, True),
    }
    wrong = [
        f"{what} is {is_}, not {should}"
        for what, (is_, should) in expected.items()
        if is_ != should
    ]
    if abs(found.duration_ms - job.duration_ms) > slack_ms:
        wrong.append(
            f"duration is {found.duration_ms} ms, not {job.duration_ms} ms (± {slack_ms} ms)"
        )
    if wrong:
        raise ClipRejected("the clip is not what was asked for: " + "; ".join(wrong))


def check_thumbnail(path: Path) -> None:
    """Raises ClipRejected unless ``path`` is a JPEG of a plausible size."""
    _check_start(path, JPEG_START, "JPEG")


def check_seek_aids(aids: Mapping[str, Path]) -> None:
    """Raises ClipRejected unless each file, by its role, is of its kind and of a plausible size."""
    _check_start(aids["sprites"], JPEG_START, "JPEG")
    _check_start(aids["sprite_index"], b"WEBVTT\n", "WebVTT file")
    _check_start(aids["activity"], b'{"format":', "activity track")


def _check_start(path: Path, start: bytes, kind: str) -> None:
    if not _is_file(path):
        raise ClipRejected(f"no {path.name} was made")
    with path.open("rb") as file:
        found = file.read(len(start))
    if found != start or path.stat().st_size > LARGEST_BESIDE:
        raise ClipRejected(f"{path.name} is no {kind} of at most {LARGEST_BESIDE} bytes")


def _is_file(path: Path) -> bool:
    """A file with something in it; a link that a worker left is none."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def _is_whole(found: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a worker's word on a clip has each thing that is asked for, and is plausible."""
    if not isinstance(found, dict) or found.keys() != _TOLD.keys():
        return False
    if any(type(found[field]) is not kind for field, kind in _TOLD.items()):
        return False
    return all(0 <= number < _LARGEST for number in found.values() if type(number) is int)


def _read(answer: Any) -> Probe:
    (stream,) = answer["streams"]
    if stream["codec_type"] != "video":
        raise ValueError(f"its stream is {stream['codec_type']}")
    (packet, *_) = answer["packets"]
    seconds = float(stream.get("duration") or answer["format"]["duration"])
    return Probe(
        codec=stream["codec_name"],
        pixel_format=stream["pix_fmt"],
        width=stream["width"],
        height=stream["height"],
        square_pixels=stream.get("sample_aspect_ratio", "1:1") == "1:1",
        duration_ms=round(seconds * 1000),
        faststart=int(packet["pos"]) >= SMALLEST_INDEX,
    )
