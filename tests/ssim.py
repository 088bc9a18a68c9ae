"""SSIM as ffmpeg counts it, of pictures as a clip shows them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence


class Ssim(NamedTuple):
    """Of luma and of all planes; 1.0 is equal."""

    luma: float
    all: float


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
