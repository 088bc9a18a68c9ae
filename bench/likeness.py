"""How like the official player's pictures a clip is: SSIM as ffmpeg counts it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import av
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REFERENCE: Final = Path("tests/data/ref")


class Ssim(NamedTuple):
    """Of luma and of all planes; 1.0 is equal."""

    luma: float
    all: float


def of_clip(clip: Path, recording: str) -> Ssim | None:
    """The worst over the reference pictures of a bundled recording; None where it has none.

    The player shows the ``sync`` before a position or the one after it, a frame comes up to an
    interval later, and so the nearest of the frames around the position counts.
    """
    facts = json.loads((REFERENCE / "index.json").read_bytes()).get(recording)
    if facts is None:
        return None
    facts |= facts.get("repaired", {})
    return min(_of_shot(clip, shot) for shot in facts["shots"])


def _of_shot(clip: Path, shot: dict[str, Any]) -> Ssim:
    frames = list(_around(clip, shot["pos_ms"] / 1000))
    with Image.open(REFERENCE / shot["file"]) as picture:
        reference = letterboxed(picture, frames[0].size)
    return max(ssims([(frame, reference) for frame in frames]))


def _around(clip: Path, at_s: float) -> Iterator[Image.Image]:
    """The frame that stands at ``at_s``, one before it and two after."""
    with av.open(clip) as container:
        moments = sorted(
            float(packet.pts * packet.time_base)
            for packet in container.demux(video=0)
            if packet.size and packet.pts is not None and packet.time_base
        )
    seen = sum(moment <= at_s + 0.0005 for moment in moments) - 1
    first = moments[min(max(0, seen - 1), len(moments) - 1)]
    last = moments[min(seen + 2, len(moments) - 1)]
    with av.open(clip) as container:
        container.seek(int(first * av.time_base), backward=True)
        for frame in container.decode(video=0):
            if frame.time > last + 0.0005:
                return
            if frame.time >= first - 0.0005:
                yield Image.fromarray(frame.to_ndarray(format="rgb24"))


def letterboxed(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """In the middle of a black frame of ``size``, as large as it fits."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    shown = picture.convert("RGB")
    if scale != 1:
        wide, high = (round(side * scale / 2) * 2 for side in picture.size)
        shown = shown.resize((wide, high), Image.Resampling.BICUBIC)
    frame = Image.new("RGB", size)
    frame.paste(shown, ((size[0] - shown.width) // 4 * 2, (size[1] - shown.height) // 4 * 2))
    return frame


def ssims(pairs: Sequence[tuple[Image.Image, Image.Image]]) -> list[Ssim]:
    """Of each pair of RGB pictures, all of one size.

    They become BT.709 yuv420p first: ffmpeg gets the two of a pair one above the other.
    """
    width, height = pairs[0][0].size
    halves = "".join(
        f"[{name}]crop={width}:{height}:0:{top},"
        f"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p[{name}_yuv];"
        for name, top in (("ours", 0), ("theirs", height))
    )
    done = subprocess.run(
        [
            *("ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"),
            *("-video_size", f"{width}x{2 * height}", "-i", "-"),
            *("-lavfi", f"split[ours][theirs];{halves}[ours_yuv][theirs_yuv]ssim=stats_file=-"),
            *("-f", "null", "-"),
        ],
        input=b"".join(picture.tobytes() for pair in pairs for picture in pair),
        capture_output=True,
        check=True,
    )
    told = [
        dict(part.split(":") for part in line.split() if ":" in part)
        for line in done.stdout.decode().splitlines()
    ]
    return [Ssim(float(figures["Y"]), float(figures["All"])) for figures in told]
