"""Scenes with all drawing that the protocol has, against the official player."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from PIL import Image

from kasm_recd.guacamole.compositing import premultiplied
from kasm_recd.guacamole.instructions import encode
from kasm_recd.guacamole.pixels import octets
from tests.fixtures_player import Job
from tests.painting import Painter
from tests.scenes import DISTORTED, EXACT, PAPER, SMOOTH

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.guacamole.pixels import Bytes
    from tests.drawing import Said
    from tests.fixtures_player import Player

#: Smoothed edges may differ from Chromium's by so many of 255 levels in any pixel: it looks at four
#: times four points of a pixel where a shape is not convex, and finds nothing between them ...
EDGE_LEVELS: Final = 64
#: ... and by so much on average over all pixels of a scene.
MEAN_LEVELS: Final = 0.25


def _write(said: list[Said], path: Path) -> None:
    whole = (*PAPER, ("sync", 1_000), *said, ("sync", 2_000))
    path.write_bytes(b"".join(encode(str(opcode), *args) for opcode, *args in whole))


def _drawn(said: list[Said]) -> Bytes:
    painter = Painter()
    for each in (*PAPER, *said):
        painter.say(*each)  # type: ignore[arg-type]
    assert painter.refusals == []
    assert not painter.display.ignored
    return octets(painter.display.paint(pointer=False)).copy()


def _shown(path: Path) -> Bytes:
    with Image.open(path) as image:
        return premultiplied(np.asarray(image.convert("RGBA")))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_scene_looks_as_in_the_player(player: Player, tmp_path: Path) -> None:
    scenes, jobs = EXACT | SMOOTH | DISTORTED, []
    for number, (name, said) in enumerate(scenes.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        _write(said, folder / "scene.guac")
        jobs.append(Job(folder / "scene.guac", (1_000,), folder, screen=name in DISTORTED))
    player.shots(jobs)
    failed = []
    for job, (name, said) in zip(jobs, scenes.items(), strict=True):
        picture = "screen.png" if job.screen else "1000.png"
        shown, drawn = _shown(job.recording.with_name(picture)), _drawn(said)
        levels = np.abs(shown.astype(int) - drawn)
        worst, mean = int(levels.max()), float(levels.mean())
        print(f"{name}: at most {worst} levels, {mean:.4f} on average")
        if worst > (0 if name in EXACT else EDGE_LEVELS) or mean > MEAN_LEVELS:
            failed.append(name)
    assert failed == []
