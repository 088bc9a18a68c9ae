"""A clip in a browser: Chromium's ``<video>`` loads it, seeks, and shows the right picture."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_player import Player
    from tests.fixtures_render import Rendered

#: In seconds; to and fro, and behind the last keyframe.
WANTED = (0.5, 41.0, 7.0, 95.0, 23.0, 60.0, 33.0, 12.0)
#: Levels of 255 that a sample may be off on average, since YUV becomes RGB in two ways (0.23 was
#: measured). The most alike of the other pictures is 1.0 off.
TOLERANCE = 0.5


def test_a_clip_plays_in_chromium_and_shows_the_right_picture_wherever_it_is_sent(
    player: Player,
    recordings: Callable[[str], Path],
    rendered: Callable[..., Rendered],
    reference_index: dict[str, Any],
    tmp_path: Path,
) -> None:
    body = recordings("ssh-work.guac")
    end = reference_index[body.name]["last_sync"]
    clip = rendered(body, size=(1280, 720), end=end)
    moments = clip.moments()
    numbers = [bisect_right(moments, 1000 * second) - 1 for second in WANTED]
    # The middle of a picture's time: nobody rounds that into another one.
    ends = [*moments[1:], clip.result["duration_ms"]]
    positions = [(moments[number] + ends[number]) / 2000 for number in numbers]

    seen = player.video(clip.path, positions, tmp_path)

    assert (seen.width, seen.height) == (1280, 720)
    assert abs(1000 * seen.duration - clip.result["duration_ms"]) < 1
    decoded = clip.pictures(set(numbers))
    for at, number in enumerate(numbers):
        with Image.open(tmp_path / f"{at}.png") as image:
            shown = np.asarray(image.convert("RGB")).astype(np.int16)
        off = {each: float(np.abs(shown - decoded[each]).mean()) for each in decoded}
        assert [each for each in off if off[each] <= TOLERANCE] == [number], (positions[at], off)
