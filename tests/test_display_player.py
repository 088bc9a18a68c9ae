"""Scenes with all drawing that the protocol has, against the official player."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from PIL import Image

from kasm_recd.guacamole import preamble
from kasm_recd.guacamole.compositing import premultiplied
from kasm_recd.guacamole.instructions import encode
from kasm_recd.guacamole.pixels import octets
from tests.fixtures_player import Job
from tests.painting import Painter
from tests.scenes import DISTORTED, EXACT, PAPER, SMOOTH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kasm_recd.guacamole.pixels import Bytes
    from tests.drawing import Said
    from tests.fixtures_player import Player

#: Smoothed edges may differ from Chromium's by so many of 255 levels in any pixel: it looks at four
#: times four points of a pixel where a shape is not convex, and finds nothing between them ...
EDGE_LEVELS: Final = 80
#: ... and by so much on average over all pixels of a scene.
MEAN_LEVELS: Final = 0.5
#: The player makes a keyframe of a recording's first frame, and cannot while a layer has no pixels.
UNCUT: Final = ("sizes of nothing",)


def _encoded(said: Iterable[Said]) -> bytes:
    return b"".join(encode(str(opcode), *args) for opcode, *args in said)


def _whole(said: list[Said]) -> bytes:
    return _encoded((*PAPER, ("sync", 1_000), *said, ("sync", 2_000)))


def _resumed(said: list[Said]) -> bytes:
    """The scene from its middle on, behind a preamble of what comes before."""
    middle, painter = (len(said) + 1) // 2, Painter()
    for each in (*PAPER, *said[:middle]):
        painter.say(*each)  # type: ignore[arg-type]
    before = b"".join(preamble.write(painter.display, (b"1000",)))
    return before + _encoded((*said[middle:], ("sync", 2_000)))


def _drawn(said: list[Said]) -> Bytes:
    painter = Painter()
    for each in (*PAPER, *said):
        painter.say(*each)  # type: ignore[arg-type]
    assert painter.refusals == []
    assert not painter.display.ignored
    return octets(painter.display.paint(pointer=False)).copy()


def _shown(job: Job) -> Bytes:
    picture = "screen.png" if job.screen else "1000.png"
    with Image.open(job.recording.with_name(picture)) as image:
        return premultiplied(np.asarray(image.convert("RGBA")))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_scene_looks_as_in_the_player_and_a_cut_in_it_is_not_seen(
    player: Player, tmp_path: Path
) -> None:
    scenes = EXACT | SMOOTH | DISTORTED
    jobs = []
    for number, (name, said) in enumerate(scenes.items()):
        cut = _whole(said) if name in UNCUT else _resumed(said)
        for kind, content in (("whole", _whole(said)), ("resumed", cut)):
            folder = tmp_path / f"{number}-{kind}"
            folder.mkdir()
            recording = folder / "scene.guac"
            recording.write_bytes(content)
            jobs.append(Job(recording, (1_000,), folder, screen=name in DISTORTED))
    player.shots(jobs)
    failed = []
    for whole, resumed, (name, said) in zip(jobs[::2], jobs[1::2], scenes.items(), strict=True):
        expected = _drawn(said)
        for kind, shown in (("whole", _shown(whole)), ("resumed", _shown(resumed))):
            levels = np.abs(shown.astype(int) - expected)
            worst, mean = int(levels.max()), float(levels.mean())
            print(f"{name}, {kind}: at most {worst} levels, {mean:.4f} on average")
            if worst > (0 if name in EXACT else EDGE_LEVELS) or mean > MEAN_LEVELS:
                failed.append(f"{name}, {kind}")
    assert failed == []
