"""Paths, lines, clips and transformations, where what is right can be told without a browser."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.instructions import encode
from tests.painting import BLUE, CLEAR, GREEN, OVER, RED, SRC, Painter, encoded, plain

BUTT, ROUND_CAP, MITER = 0, 1, 1


def _painted(painter: Painter, layer: int = 1) -> float:
    """How many pixels of a layer are painted, parts of pixels included."""
    words = painter.display.layers.at(layer).words
    return float(words.view(np.uint8).reshape(*words.shape, 4)[..., 3].sum() / 255)


def test_a_circle_has_the_area_of_one() -> None:
    painter = Painter(200, 200)
    painter.say("arc", 1, 100, 100, 60, 0, "6.2831853", 0)
    painter.say("cfill", OVER, 1, *RED)
    assert _painted(painter) == pytest.approx(pi * 60**2, rel=1e-3)


def test_a_line_is_as_long_and_wide_as_it_says() -> None:
    painter = Painter(200, 200)
    painter.say("start", 1, 20, 30)
    painter.say("line", 1, 140, 120)  # 150 long
    painter.say("cstroke", OVER, 1, BUTT, MITER, 7, *RED)
    assert _painted(painter) == pytest.approx(150 * 7, rel=2e-3)
    painter.say("cstroke", SRC, 1, ROUND_CAP, MITER, 7, *RED)
    assert _painted(painter) == pytest.approx(150 * 7 + pi * 3.5**2, rel=2e-3)


def test_a_curve_ends_where_it_says() -> None:
    painter = Painter(100, 100)
    painter.say("start", 1, 10, 10)
    painter.say("curve", 1, 10, 90, 90, 10, 90, 90)
    painter.say("line", 1, 10, 90)
    painter.say("cfill", OVER, 1, *RED)
    assert painter.inside(1, 12, 85) == RED
    assert painter.inside(1, 85, 12) == CLEAR
    assert _painted(painter) == pytest.approx(80 * 80 / 2, rel=1e-2)


def test_shapes_that_run_against_each_other_make_a_hole() -> None:
    painter = Painter(40, 40)
    painter.say("rect", 0, 0, 0, 30, 30)
    painter.say("rect", 0, 20, 10, -10, 10)
    painter.say("cfill", OVER, 0, *RED)
    assert [painter.pixel(5, 5), painter.pixel(15, 15)] == [(255, 0, 0), (0, 0, 0)]


def test_a_clip_holds_for_images_copies_and_fills_until_its_state_is_popped() -> None:
    painter = Painter(40, 40)
    painter.say("push", 0)
    painter.say("rect", 0, 10, 10, 10, 10)
    painter.say("clip", 0)
    painter.image(0, (0, 0), encoded(plain(15, 15, RED)))
    painter.fill(-1, (0, 0, 40, 40), BLUE)
    painter.say("copy", -1, 0, 0, 40, 3, OVER, 0, 0, 17)
    assert [painter.pixel(9, 12), painter.pixel(12, 12)] == [(0, 0, 0), (255, 0, 0)]
    assert [painter.pixel(12, 19), painter.pixel(25, 19)] == [(0, 0, 255), (0, 0, 0)]
    painter.say("pop", 0)
    painter.fill(0, (0, 0, 5, 5), GREEN)
    assert painter.pixel(0, 0) == (0, 255, 0)


def test_a_transformation_is_of_what_is_said_after_it() -> None:
    painter = Painter(40, 40)
    painter.say("rect", 0, 0, 0, 4, 4)
    painter.say("transform", 0, 2, 0, 0, 2, 10, 10)
    painter.say("rect", 0, 0, 0, 4, 4)
    painter.say("cfill", OVER, 0, *RED)
    reds = (painter.display.picture() == (255, 0, 0)).all(axis=2)
    assert int(reds.sum()) == 4 * 4 + 8 * 8
    assert reds[17, 17]


def test_what_nothing_can_be_seen_under_draws_nothing() -> None:
    painter = Painter(40, 40)
    painter.say("transform", 0, 1, 1, 1, 1, 0, 0)
    painter.fill(0, (0, 0, 40, 40), RED)
    painter.image(0, (0, 0), encoded(plain(15, 15, RED)))
    assert not painter.display.picture().any()
    assert painter.refusals == []


def test_a_nested_stream_draws_once_its_instructions_are_whole() -> None:
    painter = Painter()
    text = b"".join((encode("rect", 0, 0, 0, 8, 8), encode("cfill", OVER, 0, *RED)))
    for at in range(len(text)):
        assert painter.pixel(0, 0) == (0, 0, 0)
        painter.say("nest", 3, text[at : at + 1])
    assert painter.pixel(0, 0) == (255, 0, 0)


def test_a_nested_stream_that_is_none_is_refused_and_begins_anew() -> None:
    painter = Painter()
    painter.say("nest", 3, "4.size,")
    painter.say("nest", 3, "nonsense")
    assert len(painter.refusals) == 1
    painter.say("nest", 3, encode("size", 0, 3, 3))
    assert painter.display.size == (3, 3)


def test_a_stroke_with_a_layer_is_refused_where_that_has_no_pixels() -> None:
    painter = Painter()
    painter.say("lstroke", OVER, 0, BUTT, MITER, 2, -4)
    assert painter.refusals == ["lstroke: a layer without pixels to draw with"]


def test_streams_nested_for_ever_end_somewhere() -> None:
    painter, text = Painter(), encode("nop")
    for _ in range(200):
        text = encode("nest", 1, text)
    painter.say("nest", 1, text)
    assert painter.refusals == [f"nest: streams nested more than {limits.NESTED} deep"]


def test_paths_and_clips_of_all_layers_together_are_bounded() -> None:
    painter = Painter()
    layers = limits.PATHS_TOGETHER // limits.PATH_COMMANDS
    for index in range(1, layers + 1):
        for _ in range(limits.PATH_COMMANDS):
            painter.display.layers.at(index).rect(0, 0, 1, 1)
    painter.say("rect", 0, 0, 0, 1, 1)
    assert painter.refusals == [
        f"rect: paths of more than {limits.PATHS_TOGETHER} commands together"
    ]
    painter.say("dispose", 1)
    painter.say("rect", 0, 0, 0, 1, 1)
    assert len(painter.refusals) == 1, "what a layer held is free again"


def test_clips_are_bounded() -> None:
    painter = Painter()
    for _ in range(limits.CLIPS + 1):
        painter.say("rect", 0, 0, 0, 4, 4)
        painter.say("clip", 0)
    assert painter.refusals == [f"clip: more than {limits.CLIPS} clips"]


def test_a_shape_that_would_take_minutes_is_refused() -> None:
    painter = Painter(200, 7_680)
    for at in range(200):
        painter.say("line", 0, at % 2, at)
        painter.say("line", 0, 199, 7_680 - at)
    painter.say("cfill", OVER, 0, *RED)
    assert painter.refusals == ["cfill: shape with too many edges for its size"]
    painter.say("cstroke", OVER, 0, ROUND_CAP, 2, 16_000_000, *RED)
    assert len(painter.refusals) == 2
