"""Transfers: source and destination combined bit by bit, as the protocol numbers the functions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.painting import CLEAR, GREEN, RED, Painter, encoded, plain

SOURCE, TARGET = 0b1100, 0b1010

#: Function -> what the bits of SOURCE and TARGET become; two digits of a truth table each.
EXPECTED = {
    0x0: 0b0000,
    0x1: 0b1000,
    0x2: 0b0100,
    0x3: 0b1100,
    0x4: 0b0010,
    0x5: 0b1010,
    0x6: 0b0110,
    0x7: 0b1110,
    0x8: 0b0001,
    0x9: 0b1001,
    0xA: 0b0101,
    0xB: 0b1101,
    0xC: 0b0011,
    0xD: 0b1011,
    0xE: 0b0111,
    0xF: 0b1111,
}


def _painted(source_alpha: int, target_alpha: int) -> Painter:
    painter = Painter()
    for layer, grey, alpha in ((-1, SOURCE, source_alpha), (0, TARGET, target_alpha)):
        painter.image(layer, (0, 0), encoded(plain(4, 4, (grey, grey, grey, alpha))))
    return painter


@pytest.mark.parametrize("function", EXPECTED)
def test_every_function_has_its_truth_table(function: int) -> None:
    painter = _painted(255, 255)
    painter.say("transfer", -1, 0, 0, 2, 2, function, 0, 1, 1)
    (red, green, blue, alpha) = painter.inside(0, 1, 1)
    assert (red & 0xF, green & 0xF, blue & 0xF, alpha) == (*(EXPECTED[function],) * 3, 255)
    assert painter.inside(0, 0, 0) == painter.inside(0, 3, 3) == (*(TARGET,) * 3, 255)


@pytest.mark.parametrize(("function", "alpha"), [(0x3, 0), (0xC, 0), (0x6, 255), (0xF, 255)])
def test_alpha_is_the_destinations_unless_only_the_source_counts(function: int, alpha: int) -> None:
    painter = _painted(0, 255)
    painter.say("transfer", -1, 0, 0, 4, 4, function, 0, 0, 0)
    assert painter.inside(0, 0, 0)[3] == alpha


def test_a_transfer_ignores_the_operator_and_clears_nothing_else() -> None:
    painter = Painter()
    painter.fill(0, (0, 0, 8, 8), RED)
    painter.fill(-1, (0, 0, 2, 2), GREEN)
    painter.say("copy", -9, 0, 0, 0, 0, 12, 0, 0, 0)
    painter.say("transfer", -1, 0, 0, 2, 2, 3, 0, 0, 0)
    assert [painter.pixel(1, 1), painter.pixel(2, 2)] == [(0, 255, 0), (255, 0, 0)]


def test_a_source_is_transparent_beyond_its_corner() -> None:
    painter = Painter()
    painter.fill(0, (0, 0, 8, 8), RED)
    painter.fill(-1, (0, 0, 64, 64), GREEN)
    painter.say("transfer", -1, -2, 0, 4, 1, 3, 0, 1, 0)
    row = [painter.inside(0, x, 0) for x in range(6)]
    assert row == [RED, CLEAR, CLEAR, GREEN, GREEN, RED]


def test_a_layer_is_transferred_onto_itself() -> None:
    painter = Painter()
    painter.image(
        0, (0, 0), encoded(np.arange(256, dtype=np.uint8).reshape(8, 8, 4) | np.uint8(192))
    )
    before = painter.display.layers.root.words.copy()
    painter.say("transfer", 0, 0, 0, 6, 8, 3, 0, 2, 0)
    assert (painter.display.layers.root.words[:8, 2:8] == before[:8, :6]).all()


def test_a_buffer_grows_to_what_is_transferred_to_it() -> None:
    painter = Painter()
    painter.fill(0, (0, 0, 8, 8), RED)
    painter.say("transfer", 0, 0, 0, 8, 8, 3, -1, 100, 3)
    assert (painter.display.layers.at(-1).width, painter.inside(-1, 107, 10)) == (108, RED)


def test_an_unknown_function_is_refused() -> None:
    painter = Painter()
    painter.say("transfer", -1, 0, 0, 2, 2, 16, 0, 0, 0)
    assert painter.refusals == ["transfer: no function 16"]
