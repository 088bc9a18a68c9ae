"""Clips against the official player's pictures: SSIM (luma, by ffmpeg) at the display's size."""

from __future__ import annotations

import subprocess
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_render import Rendered

#: Recording -> the least SSIM over its reference pictures; 0.001 below what was measured.
LEAST_SSIM = {
    "abrupt-midins.guac": 0.996,
    "rdp-desktop.guac": 0.997,
    "rdp-failed-login.guac": 0.999,
    "reconnect.guac": 0.997,
    "reconnect.guac.1": 0.998,
    "ssh-idle.guac": 0.998,
    "ssh-title-9c.guac": 0.996,
    "ssh-work.guac": 0.997,
    "v130-ssh.guac": 0.996,
    "v130-vnc.guac": 0.996,
    "v155-vnc.guac": 0.997,
    "vnc-idle.guac": 0.998,
}


def _letterboxed(picture: Image.Image, width: int, height: int) -> bytes:
    """RGB of ``picture`` in the middle of a black frame, as large as it fits."""
    scale = min(width / picture.width, height / picture.height)
    shown = picture.convert("RGB")
    if scale != 1:
        wide, high = (round(side * scale / 2) * 2 for side in picture.size)
        shown = shown.resize((wide, high), Image.Resampling.BICUBIC)
    frame = Image.new("RGB", (width, height))
    frame.paste(shown, ((width - shown.width) // 4 * 2, (height - shown.height) // 4 * 2))
    return frame.tobytes()


def _ssim(pairs: list[tuple[bytes, bytes]], width: int, height: int) -> list[float]:
    """Luma SSIM of each pair of RGB pictures, which ffmpeg gets one above the other."""
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
        input=b"".join(part for pair in pairs for part in pair),
        capture_output=True,
        check=True,
    )
    figures = [part for part in done.stdout.decode().split() if part.startswith("Y:")]
    return [float(figure.removeprefix("Y:")) for figure in figures]


@pytest.mark.parametrize("name", LEAST_SSIM)
def test_the_clip_shows_what_the_player_shows(
    name: str,
    rendered: Callable[..., Rendered],
    recordings: Callable[[str], Path],
    reference_index: dict[str, Any],
    reference_folder: Path,
) -> None:
    facts = reference_index[name]
    facts = facts | facts.get("repaired", {})
    width = max(shot["width"] for shot in facts["shots"])
    height = max(shot["height"] for shot in facts["shots"])
    clip = rendered(
        recordings(name), "--no-pointer", size=(width, height), end=_last_sync(recordings(name))
    )
    moments = clip.moments()
    nearby = [_around(shot["pos_ms"], moments) for shot in facts["shots"]]
    pictures = clip.pictures(set().union(*nearby))
    worst = 1.0
    for shot, numbers in zip(facts["shots"], nearby, strict=True):
        with Image.open(reference_folder / shot["file"]) as picture:
            reference = _letterboxed(picture, width, height)
        pairs = [(pictures[number].tobytes(), reference) for number in numbers]
        worst = min(worst, max(_ssim(pairs, width, height)))
    print(f"{name}: SSIM {worst:.4f}")
    assert worst >= LEAST_SSIM[name]


def _around(position: int, moments: list[int]) -> set[int]:
    """Numbers of the frames that may show what the player shows at ``position``.

    The player shows the sync before or the one after it; a frame comes up to an interval later.
    """
    seen = bisect_right(moments, position) - 1
    return {number for number in range(seen - 1, seen + 3) if 0 <= number < len(moments)}


def _last_sync(recording: Path) -> int:
    instructions = recording.read_bytes().split(b";")
    syncs = [text for text in instructions if text.startswith(b"4.sync,")]
    return int(syncs[-1].split(b",")[1].split(b".")[1])
