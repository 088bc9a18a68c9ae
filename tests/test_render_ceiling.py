"""The bitrate is a ceiling, whatever the codec: what cannot be had under it is shown less well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kasm_recd.guacamole.geometry import Rect
from kasm_recd.workers.video import Clip, Coding

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT, FRAMES, FRAMERATE = 160, 96, 50, 25
AREA = Rect(0, 0, WIDTH, HEIGHT)


def noise(path: Path, codec: str, bitrate: int) -> int:
    """Bytes of a clip in which every pixel changes in every frame."""
    chance = np.random.default_rng(1)
    coding = Coding(bitrate=bitrate, codec=codec)
    clip = Clip(path, width=WIDTH, height=HEIGHT, framerate=FRAMERATE, coding=coding)
    for number in range(FRAMES):
        picture = chance.integers(0, 2**32, (HEIGHT, WIDTH), np.uint32)
        clip.show(picture, [AREA], number * 1000 // FRAMERATE)
    clip.close(FRAMES * 1000 // FRAMERATE)
    return path.stat().st_size


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
def test_a_low_ceiling_is_kept(codec: str, tmp_path: Path) -> None:
    free = noise(tmp_path / "free.mp4", codec, 100_000_000)
    held = noise(tmp_path / "held.mp4", codec, 100_000)
    assert 4 * held < free
