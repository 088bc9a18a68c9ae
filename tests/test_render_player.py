"""Clips of what no bundled recording has, against the official player at each ``sync``: SSIM.

Layers and pictures that are translucent, and a display that is resized three times.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from PIL import Image

from kasm_recd.guacamole.instructions import encode
from tests.fixtures_player import Job
from tests.painting import OVER, SRC, encoded
from tests.ssim import letterboxed, ssims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.drawing import Said
    from tests.fixtures_player import Player
    from tests.fixtures_render import Rendered

#: Of luma, and of all planes.
LEAST_SSIM: Final = 0.985
STEP_MS: Final = 500
START: Final = 1_000
WIDTH, HEIGHT = 640, 400
SIZES: Final = ((640, 400), (480, 360), (720, 300), (500, 480))


def _fill(layer: int, box: tuple[int, int, int, int], *colour: int, mask: int = OVER) -> list[Said]:
    return [("rect", layer, *box), ("cfill", mask, layer, *colour)]


def _image(layer: int, x: int, y: int, *, width: int, height: int) -> list[Said]:
    """Slopes of colour and of alpha, and an opaque frame around them."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = (columns * 255 // width, rows * 255 // height, 200 - rows * 90 // height)
    alpha = 40 + columns * 200 // width
    pixels = np.dstack([*planes, alpha]).astype(np.uint8)
    pixels[:3] = pixels[-3:] = pixels[:, :3] = pixels[:, -3:] = (60, 50, 40, 255)
    data = base64.b64encode(encoded(pixels))
    return [("img", 3, OVER, layer, "image/png", x, y), ("blob", 3, data), ("end", 3)]


def _desktop(width: int, height: int) -> list[Said]:
    """Paper, with rows of what could be text."""
    said = _fill(0, (0, 0, width, height), 240, 240, 240, 255, mask=SRC)
    for row in range(10, height - 10, 24):
        for column in range(10, width - 40, 50):
            said += _fill(0, (column, row, 10 + (row * column) % 31, 9), 50, 50, 50, 255)
    return said


def _translucent() -> Iterator[list[Said]]:
    """A layer with a picture on it moves over the paper, beneath a pane and then above it."""
    yield _desktop(WIDTH, HEIGHT)
    yield [
        *_fill(0, (40, 30, 300, 200), 20, 160, 60, 128),
        *_image(0, 360, 60, width=200, height=90),
    ]
    yield [
        *[("size", 1, 240, 160), *_fill(1, (0, 0, 240, 160), 30, 60, 200, 180, mask=SRC)],
        *_image(1, 20, 20, width=160, height=110),
        *[("move", 1, 0, 30, 150, 1), ("shade", 1, 200)],
        *[("size", 2, 220, 220), *_fill(2, (0, 0, 220, 220), 220, 40, 30, 110, mask=SRC)],
        *[("move", 2, 0, 200, 100, 2), ("shade", 2, 230)],
    ]
    for number in range(1, 6):
        above = 1 if number < 4 else 3
        yield [
            ("move", 1, 0, 30 + 60 * number, 150 - 9 * number, above),
            ("shade", 1, 240 - 30 * number),
        ]
    yield [*_fill(1, (60, 60, 100, 60), 250, 250, 250, 90), ("shade", 2, 90)]
    yield [*_fill(0, (0, 300, WIDTH, 60), 250, 200, 40, 100), ("shade", 1, 255)]
    yield [("dispose", 2), *_fill(1, (0, 0, 120, 160), 0, 0, 0, 0, mask=SRC)]


def _resized() -> Iterator[list[Said]]:
    for width, height in SIZES:
        yield [("size", 0, width, height), *_desktop(width, height)]
        yield _image(0, 40, 50, width=300, height=160)


def _recording(states: list[list[Said]]) -> bytes:
    """Each of ``states`` with a ``sync`` of its own, the first one at once."""
    said: list[Said] = [("size", 0, WIDTH, HEIGHT)]
    for number, state in enumerate(states):
        said += [*state, ("sync", START + STEP_MS * number)]
    return b"".join(encode(str(opcode), *args) for opcode, *args in said)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_clip_shows_each_state_as_the_player_does(
    player: Player, rendered: Callable[..., Rendered], tmp_path: Path
) -> None:
    scenes = {"translucent": list(_translucent()), "resized three times": list(_resized())}
    jobs = []
    for name, states in scenes.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "scene.guac").write_bytes(_recording(states))
        positions = tuple(STEP_MS * number for number in range(len(states)))
        jobs.append(Job(folder / "scene.guac", positions, folder))
    shots = player.shots(jobs)
    for job, name in zip(jobs, scenes, strict=True):
        sides = [(shot.width, shot.height) for shot in shots[jobs.index(job)]]
        size = (max(width for width, _ in sides), max(height for _, height in sides))
        clip = rendered(job.recording, "--no-pointer", size=size, end=START + job.positions[-1])
        assert clip.moments() == list(job.positions)
        pictures = clip.pictures()
        pairs = []
        for number, position in enumerate(job.positions):
            with Image.open(job.recording.with_name(f"{position}.png")) as shown:
                pairs.append((Image.fromarray(pictures[number]), letterboxed(shown, size)))
        found = ssims(pairs)
        luma, all_ = min(each.luma for each in found), min(each.all for each in found)
        print(f"{name}: SSIM of {len(found)} states at least {luma:.4f} of luma, {all_:.4f} of all")
        assert min(luma, all_) >= LEAST_SSIM
