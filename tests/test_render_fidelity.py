"""Clips against the official player's pictures: SSIM (by ffmpeg) at the display's size."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.ssim import letterboxed, ssims

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_render import Rendered

#: Recording -> the least luma SSIM over its reference pictures; 0.001 below what was measured.
#: guacd 1.3 and 1.5 wrote those whose names begin with v130 and v155, guacd 1.6 all others.
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
#: Of luma and chroma together, for all of them.
LEAST_SSIM_ALL = 0.985


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
    worst = worst_all = 1.0
    for shot, numbers in zip(facts["shots"], nearby, strict=True):
        with Image.open(reference_folder / shot["file"]) as picture:
            reference = letterboxed(picture, (width, height))
        best = max(ssims([(Image.fromarray(pictures[number]), reference) for number in numbers]))
        worst, worst_all = min(worst, best.luma), min(worst_all, best.all)
    print(f"{name}: SSIM {worst:.4f} of luma, {worst_all:.4f} of all")
    assert worst >= LEAST_SSIM[name]
    assert worst_all >= LEAST_SSIM_ALL


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
