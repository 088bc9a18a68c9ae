"""The drawing state of a layer: saved, restored, forgotten; and fills with another layer."""

from __future__ import annotations

from kasm_recd.guacamole import limits
from tests.painting import CLEAR, GREEN, OVER, RED, SRC, Painter

NO_OPERATOR = 7  # a mask that names none leaves the operator as it was


def test_what_was_pushed_is_popped() -> None:
    painter = Painter()
    painter.fill(-1, (0, 0, 4, 4), RED)
    painter.say("push", -1)
    painter.say("cfill", SRC, -1, *RED)
    painter.say("pop", -1)
    painter.fill(-1, (0, 0, 1, 1), GREEN, NO_OPERATOR)
    assert [painter.inside(-1, 0, 0), painter.inside(-1, 3, 3)] == [GREEN, RED]


def test_more_pops_than_pushes_do_nothing() -> None:
    painter = Painter()
    painter.say("pop", 0)
    painter.fill(0, (0, 0, 8, 8), RED)
    assert painter.pixel(7, 7) == (255, 0, 0)
    assert painter.refusals == []


def test_a_reset_forgets_path_and_operator() -> None:
    painter = Painter()
    painter.fill(0, (0, 0, 8, 8), RED)
    painter.say("cfill", SRC, 0, *RED)
    painter.say("rect", 0, 0, 0, 2, 2)
    painter.say("reset", 0)
    painter.fill(0, (4, 4, 1, 1), GREEN, NO_OPERATOR)
    seen = [painter.pixel(0, 0), painter.pixel(4, 4), painter.pixel(7, 7)]
    assert seen == [(255, 0, 0), (0, 255, 0), (255, 0, 0)]


def test_a_closed_path_is_not_gone_on_with() -> None:
    painter = Painter()
    painter.say("rect", 0, 0, 0, 2, 2)
    painter.say("close", 0)
    painter.fill(0, (4, 4, 1, 1), GREEN)
    assert [painter.pixel(0, 0), painter.pixel(4, 4)] == [(0, 0, 0), (0, 255, 0)]


def test_saved_states_are_bounded() -> None:
    painter = Painter()
    for _ in range(limits.SAVED_STATES + 1):
        painter.say("push", 0)
    assert painter.refusals == [f"push: more than {limits.SAVED_STATES} saved states"]


def test_a_layer_fills_as_a_pattern_of_its_whole_canvas() -> None:
    painter = Painter(200, 8)
    painter.fill(-1, (0, 0, 2, 8), RED)
    painter.say("rect", 0, 0, 0, 200, 4)
    painter.say("rect", 0, 0, 4, 100, 4)
    painter.say("lfill", OVER, 0, -1)
    reds = [x for x in range(200) if painter.pixel(x, 0) == (255, 0, 0)]
    assert reds == [0, 1, 64, 65, 128, 129, 192, 193]
    assert painter.pixel(128, 5) == (0, 0, 0)


def test_a_fill_with_an_empty_layer_is_refused() -> None:
    painter = Painter()
    painter.say("rect", 0, 0, 0, 4, 4)
    painter.say("lfill", OVER, 0, -7)
    assert painter.refusals == ["lfill: a layer without pixels to draw with"]
    assert painter.inside(0, 0, 0) == CLEAR
