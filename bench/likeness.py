"""How like the official player's pictures a clip is: SSIM as ffmpeg counts it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
from PIL import Image

from tests.ssim import Ssim, letterboxed, ssims

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE: Final = Path("tests/data/ref")


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
