"""Canvases as the player has them: rounded up, growing or not, with paths and masks that last."""

from __future__ import annotations

import numpy as np
import pytest

from kasm_recd.guacamole.compositing import OPERATORS, composite
from tests.painting import BLUE, CLEAR, GREEN, OVER, RED, SRC, Painter, encoded, plain


def test_a_rectangle_is_filled_and_nothing_else() -> None:
    painter = Painter()
    painter.fill(0, (2, 3, 4, 2), RED)
    assert painter.pixel(2, 3) == painter.pixel(5, 4) == (255, 0, 0)
    assert painter.pixel(1, 3) == painter.pixel(6, 4) == painter.pixel(2, 5) == (0, 0, 0)


def test_a_rectangle_may_be_given_backwards() -> None:
    painter = Painter()
    painter.fill(0, (6, 6, -4, -4), RED)
    assert painter.pixel(2, 2) == painter.pixel(5, 5) == (255, 0, 0)
    assert painter.pixel(6, 6) == (0, 0, 0)


def test_several_rectangles_of_one_path_are_filled_once() -> None:
    painter = Painter()
    painter.say("rect", 1, 0, 0, 4, 4)
    painter.say("rect", 1, 2, 2, 4, 4)
    painter.say("cfill", OVER, 1, 200, 200, 200, 100)
    assert painter.inside(1, 3, 3) == painter.inside(1, 0, 0) == (78, 78, 78, 100)
    assert painter.inside(1, 5, 0) == CLEAR


def test_a_path_outlives_its_fill_until_the_next_one_begins() -> None:
    painter = Painter()
    painter.fill(0, (0, 0, 2, 2), RED)
    painter.say("cfill", OVER, 0, *GREEN)
    assert painter.pixel(1, 1) == (0, 255, 0)
    painter.fill(0, (4, 4, 2, 2), BLUE)
    assert painter.pixel(1, 1) == (0, 255, 0)


def test_filling_without_any_path_does_nothing_whatever_the_mask() -> None:
    painter = Painter()
    painter.fill(1, (0, 0, 8, 8), RED)
    painter.say("size", 1, 7, 7)
    painter.say("cfill", SRC, 1, *GREEN)
    assert painter.inside(1, 3, 3) == RED


@pytest.mark.parametrize("mask", [1, 4, 8, 9, 12])
def test_some_masks_clear_all_that_lies_outside_the_shape(mask: int) -> None:
    painter = Painter()
    painter.fill(1, (0, 0, 8, 8), RED)
    painter.fill(1, (2, 2, 2, 2), GREEN, mask)
    assert painter.inside(1, 5, 5) == painter.inside(1, 0, 2) == CLEAR


@pytest.mark.parametrize("mask", [2, 6, 10, 11, 14, 15])
def test_the_other_masks_leave_what_lies_outside_the_shape(mask: int) -> None:
    painter = Painter()
    painter.fill(1, (0, 0, 8, 8), RED)
    painter.fill(1, (2, 2, 2, 2), GREEN, mask)
    assert painter.inside(1, 5, 5) == RED


def test_a_mask_without_an_operator_leaves_the_one_before() -> None:
    painter = Painter()
    painter.fill(1, (0, 0, 8, 8), RED, SRC)
    painter.fill(1, (2, 2, 2, 2), GREEN, 3)
    assert painter.inside(1, 5, 5) == CLEAR


def test_a_canvas_is_rounded_up_and_drawing_is_not_cut_to_the_layer() -> None:
    painter = Painter(100, 100)
    painter.say("size", 1, 10, 10)
    painter.fill(1, (0, 0, 70, 20), RED)
    assert painter.inside(1, 63, 19) == RED
    assert painter.pixel(63, 19) == (255, 0, 0)
    assert painter.pixel(64, 19) == (0, 0, 0)


def test_a_buffer_grows_to_hold_what_is_drawn_on_it() -> None:
    painter = Painter()
    painter.fill(-1, (100, 60, 10, 10), RED)
    buffer = painter.display.layers.at(-1)
    assert (buffer.width, buffer.height) == (110, 70)
    assert painter.inside(-1, 109, 69) == RED


def test_a_buffer_that_grows_within_its_canvas_forgets_its_mask_and_path() -> None:
    painter = Painter()
    painter.fill(-1, (0, 0, 10, 10), RED)
    painter.say("rect", -1, 0, 0, 5, 5)
    painter.image(-1, (0, 0), encoded(plain(12, 2, GREEN)), mask=SRC)
    assert painter.inside(-1, 0, 0) == GREEN
    assert painter.inside(-1, 0, 9) == RED, "SRC would have cleared it"
    painter.say("cfill", OVER, -1, *BLUE)
    assert painter.inside(-1, 4, 4) == RED, "the pending path is gone"


def test_a_new_size_keeps_what_lies_inside_both() -> None:
    painter = Painter(100, 100)
    painter.fill(0, (0, 0, 100, 100), RED)
    painter.say("size", 0, 50, 200)
    assert painter.display.size == (50, 200)
    assert painter.pixel(49, 99) == (255, 0, 0)
    assert painter.pixel(49, 100) == (0, 0, 0)


def test_a_layer_copied_onto_itself_reads_before_it_writes() -> None:
    painter = Painter(8, 1)
    for x in range(8):
        painter.fill(0, (x, 0, 1, 1), (x * 10, 0, 0, 255))
    painter.say("copy", 0, 0, 0, 6, 1, OVER, 0, 2, 0)
    assert [painter.pixel(x, 0)[0] for x in range(8)] == [0, 10, 0, 10, 20, 30, 40, 50]


def test_a_tall_translucent_layer_copied_onto_itself_reads_before_it_writes() -> None:
    painter = Painter()
    painter.say("size", 1, 64, 1_300)
    for top in range(0, 1_300, 10):
        painter.fill(1, (0, top, 64, 10), (top % 256, 9, 9, 100))
    layer = painter.display.layers.at(1)
    expected = layer.words.copy()
    composite(expected[10:1_300], layer.words[:1_290].copy(), OPERATORS[OVER])
    painter.say("copy", 1, 0, 0, 64, 1_290, OVER, 1, 0, 10)
    assert np.array_equal(layer.words, expected)


def test_a_copy_is_cut_to_its_source() -> None:
    painter = Painter()
    painter.fill(-1, (0, 0, 64, 64), RED)
    painter.say("copy", -1, 62, 62, 50, 50, OVER, 0, 1, 1)
    assert painter.pixel(2, 2) == (255, 0, 0)
    assert painter.pixel(3, 3) == (0, 0, 0)
    painter.say("copy", -1, 64, 0, 5, 5, SRC, 0, 0, 0)
    assert painter.pixel(2, 2) == (255, 0, 0), "nothing to copy, so nothing is cleared either"


def test_a_copy_from_before_the_source_begins_shifts_with_it() -> None:
    painter = Painter()
    painter.fill(-1, (0, 0, 4, 4), RED)
    painter.say("copy", -1, -2, -2, 6, 6, OVER, 0, 0, 0)
    assert painter.pixel(1, 1) == (0, 0, 0)
    assert painter.pixel(2, 2) == painter.pixel(5, 5) == (255, 0, 0)


def test_drawing_off_the_canvas_is_harmless() -> None:
    painter = Painter()
    painter.fill(0, (0, 0, 8, 8), RED)
    for x, y in ((-100, 0), (100, 0), (0, -100), (0, 100)):
        painter.fill(0, (x, y, 5, 5), GREEN)
        painter.image(0, (x, y), encoded(plain(4, 4, GREEN)))
        painter.say("copy", 0, 0, 0, 4, 4, OVER, 0, x, y)
    assert (painter.display.picture(pointer=False) == (255, 0, 0)).all()
    assert painter.refusals == []
