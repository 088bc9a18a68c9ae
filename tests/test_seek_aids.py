"""Seek aids: what the sprites show and when, and how much happened in each second."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from kasm_recd.guacamole.instructions import encode
from kasm_recd.workers.sprites import MOST_TILES, interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_render import Rendered

START = 50_000
CUE = re.compile(r"(\S+) --> (\S+)\nsprites\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)\n")


def _grey(level: int, *rect: int) -> bytes:
    fill = encode("cfill", 14, 0, level, level, level, 255)
    return encode("rect", 0, *(rect or (0, 0, 320, 160))) + fill


def _sync(moment: int) -> bytes:
    return encode("sync", START + moment)


def _tiles(folder: Path) -> list[tuple[str, str, int]]:
    """Begin, end and grey of each cue's tile."""
    text = (folder / "sprites.vtt").read_text()
    assert text.startswith("WEBVTT\n\n")
    with Image.open(folder / "sprites.jpg") as image:
        pixels = np.asarray(image.convert("L")).astype(float)
    tiles = []
    for begin, end, *numbers in CUE.findall(text):
        left, top, width, height = map(int, numbers)
        tile = pixels[top : top + height, left : left + width]
        assert tile.shape == (height, width), "the tile lies in the sheet"
        tiles.append((begin, end, round(float(tile.mean()))))
    assert len(tiles) == text.count("-->")
    return tiles


@pytest.fixture
def aided(rendered: Callable[..., Rendered], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Renders with seek aids into ``tmp_path``; the activity track."""

    def made(body: bytes, *options: str, end: int) -> dict[str, Any]:
        rendered(body, "--seek-aids", str(tmp_path), *options, end=START + end)
        activity: dict[str, Any] = json.loads((tmp_path / "activity.json").read_text())
        return activity

    return made


def test_each_tile_shows_the_middle_of_its_part_and_stands_while_nothing_changes(
    aided: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    body = encode("size", 0, 320, 160)
    for moment, level in ((0, 20), (900, 60), (1_100, 100), (2_500, 140), (9_500, 220)):
        body += _grey(level) + _sync(moment)
    aided(body, end=11_000)
    near = [(begin, end, round(grey / 20) * 20) for begin, end, grey in _tiles(tmp_path)]
    assert near == [
        ("00:00:00.000", "00:00:02.000", 60),  # what is seen at 1.0 s
        ("00:00:02.000", "00:00:10.000", 140),  # at 3.0 s, and still at 9.0 s
        ("00:00:10.000", "00:00:11.000", 220),
    ]
    with Image.open(tmp_path / "sprites.jpg") as image:
        assert image.size == (3 * 160, 80)


def test_a_long_clip_has_a_hundred_tiles_and_their_grey_is_that_of_the_clip(
    aided: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    body, seconds = encode("size", 0, 320, 160), 400
    for second in range(seconds):
        body += _grey(20 + second % 4 * 20 + second // 4) + _sync(second * 1_000)
    aided(body, end=seconds * 1_000)
    tiles = _tiles(tmp_path)
    assert len(tiles) == MOST_TILES
    assert tiles[-1][:2] == ("00:06:36.000", "00:06:40.000")
    wrong = {n: grey for n, (*_, grey) in enumerate(tiles) if abs(grey - (60 + n)) > 2}
    assert wrong == {}


@pytest.mark.parametrize(
    ("duration_ms", "step_ms"),
    [(0, 2_000), (200_000, 2_000), (200_001, 3_000), (3_600_000, 36_000)],
)
def test_a_tile_stands_for_whole_seconds(duration_ms: int, step_ms: int) -> None:
    assert interval(duration_ms) == step_ms


def _key(keysym: int, pressed: int, moment: int | None = None) -> bytes:
    return encode("key", keysym, pressed, *(() if moment is None else (START + moment,)))


def _mouse(x: int, y: int, mask: int, moment: int) -> bytes:
    return encode("mouse", x, y, mask, START + moment)


def test_activity_counts_exactly_and_never_tells_which_key(
    aided: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    body = (
        encode("size", 0, 320, 160)
        + _grey(20)
        + _sync(0)
        + (_key(112_233, 1, 800) + _key(112_233, 0, 900) + _key(65_293, 1, 1_050))
        + _grey(99, 0, 0, 32, 16)  # 2 of 200 blocks
        + _sync(1_200)
        + _grey(98, 16, 0, 32, 16)  # one of them again, and one more
        + _sync(1_900)
        + (_mouse(5, 5, 0, 3_100) + _mouse(6, 5, 1, 3_200) + _mouse(6, 5, 0, 3_300))
        + (_mouse(6, 5, 6, 3_400) + _mouse(6, 5, 8, 3_500))  # two buttons; the wheel
        + _key(112_233, 1)  # without a timestamp
        + _key(112_233, 1, 99_000_000)  # from beyond the next sync
        + _sync(4_100)
    )
    activity = aided(body, "--no-pointer", end=5_000)
    assert activity == {
        "format": 1,
        "duration_ms": 5_000,
        "second": [0, 1, 3, 4],
        "changed": [1.0, 0.015, 0.0, 0.0],
        "keys": [1, 1, 0, 2],
        "moves": [0, 0, 2, 0],
        "clicks": [0, 0, 3, 0],
    }
    written = (tmp_path / "activity.json").read_text()
    assert "112233" not in written
    assert "65293" not in written


def test_what_the_preamble_says_again_is_no_activity(
    aided: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    preamble = tmp_path / "preamble.guac"
    preamble.write_bytes(
        encode("size", 0, 320, 160) + _grey(20) + _mouse(9, 9, 1, 0) + _key(97, 1, 0) + _sync(0)
    )
    body = _mouse(9, 9, 1, 100) + _mouse(9, 10, 1, 150) + _sync(200)
    activity = aided(body, "--no-pointer", "--preamble", str(preamble), end=500)
    assert {name: activity[name] for name in ("keys", "moves", "clicks")} == {
        "keys": [0],
        "moves": [1],
        "clicks": [0],
    }


def test_input_that_is_no_number_and_a_day_of_silence_cost_nothing(
    aided: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    body = (
        encode("size", 0, 320, 160)
        + _grey(20)
        + _sync(0)
        + encode("key", "x", "9" * 5_000, "-")
        + encode("mouse", "", "x", "1")
        + encode("mouse", -3, -4, "many", 5)
        + _sync(1_000)
        + _sync(80_000_000)
    )
    activity = aided(body, end=80_000_000)
    assert activity["second"] == [0]
    assert activity["moves"] == [1]
    assert [tile[:2] for tile in _tiles(tmp_path)] == [("00:00:00.000", "22:13:20.000")]


def test_a_seek_aid_is_made_only_where_it_is_asked_for(
    rendered: Callable[..., Rendered], tmp_path: Path
) -> None:
    rendered(encode("size", 0, 320, 160) + _grey(20) + _sync(0), end=START + 100)
    assert {path.name for path in tmp_path.iterdir()} == {"body.guac", "clip.mp4", "thumbnail.jpg"}
