"""Layers on layers: who lies above whom, where, and how much of it is seen."""

from __future__ import annotations

import pytest

from tests.painting import BLUE, GREEN, OVER, RED, Painter


def _layered(*layers: int) -> Painter:
    """Layers of 8 x 8, each of its own colour, made in this order."""
    painter = Painter(16, 16)
    for layer in layers:
        painter.say("size", layer, 8, 8)
        painter.fill(layer, (0, 0, 8, 8), {1: RED, 2: GREEN, 3: BLUE}[layer])
    return painter


def test_a_layer_made_later_lies_above() -> None:
    assert _layered(2, 1).pixel(0, 0) == (255, 0, 0)
    assert _layered(1, 2).pixel(0, 0) == (0, 255, 0)


def test_a_layer_that_begins_to_exist_by_being_drawn_on_is_seen() -> None:
    painter = Painter()
    painter.fill(0, (0, 0, 8, 8), RED)
    assert painter.pixel(0, 0) == (255, 0, 0)
    painter.fill(1, (0, 0, 4, 4), GREEN)
    assert painter.pixel(0, 0) == (0, 255, 0)


def test_a_greater_z_lies_above_whatever_the_order() -> None:
    painter = _layered(1, 2, 3)
    painter.say("move", 1, 0, 0, 0, 5)
    assert painter.pixel(0, 0) == (255, 0, 0)
    painter.say("move", 3, 0, 0, 0, 6)
    assert painter.pixel(0, 0) == (0, 0, 255)


def test_a_layer_that_comes_to_another_parent_lies_above_those_of_equal_z() -> None:
    painter = _layered(1, 2, 3)
    painter.say("move", 1, 3, 0, 0, 0)
    painter.say("move", 1, 0, 0, 0, 0)
    assert painter.pixel(0, 0) == (255, 0, 0)


def test_a_layer_moved_inside_the_same_parent_keeps_its_turn() -> None:
    painter = _layered(1, 2)
    painter.say("move", 1, 0, 1, 0, 0)
    assert painter.pixel(1, 0) == (0, 255, 0)
    assert painter.pixel(8, 0) == (255, 0, 0)
    assert painter.pixel(9, 0) == (0, 0, 0)


def test_a_child_lies_where_its_parents_corner_is() -> None:
    painter = _layered(1, 2)
    painter.say("move", 2, 1, 2, 3, 0)
    painter.say("move", 1, 0, 4, 4, 0)
    assert painter.pixel(5, 6) == (255, 0, 0)
    assert painter.pixel(6, 7) == (0, 255, 0)
    assert painter.pixel(0, 0) == (0, 0, 0)


def test_a_child_is_not_cut_to_its_parent() -> None:
    painter = _layered(1, 2)
    painter.say("move", 2, 1, 6, 6, 0)
    assert painter.pixel(13, 13) == (0, 255, 0)


def test_a_parent_without_pixels_hides_what_lies_in_it() -> None:
    painter = _layered(1, 2)
    painter.say("move", 2, 1, 0, 0, 0)
    painter.say("size", 1, 0, 0)
    assert painter.pixel(0, 0) == (0, 0, 0)
    painter.say("size", 1, 1, 1)
    assert painter.pixel(0, 0) == (0, 255, 0)


def test_shade_applies_to_a_layer_and_all_in_it() -> None:
    painter = _layered(1, 2)
    painter.fill(0, (0, 0, 16, 16), (255, 255, 255, 255))
    painter.say("move", 2, 1, 4, 4, 0)
    painter.say("shade", 1, 0)
    assert painter.pixel(0, 0) == painter.pixel(5, 5) == (255, 255, 255)
    painter.say("shade", 1, 128)
    assert painter.pixel(0, 0)[0] == 255
    assert painter.pixel(0, 0)[1] == pytest.approx(127, abs=2)
    assert painter.pixel(5, 5) == pytest.approx((127, 191, 63), abs=2), "half of each over white"


def test_a_disposed_layer_is_gone_and_comes_back_empty() -> None:
    painter = _layered(1)
    painter.say("dispose", 1)
    assert painter.pixel(0, 0) == (0, 0, 0)
    painter.say("move", 1, 0, 0, 0, 0)
    assert painter.pixel(0, 0) == (0, 0, 0)
    assert painter.display.layers.at(1).width == 16, "a new layer has the display's size"


def test_what_lay_in_a_disposed_layer_is_not_seen_either() -> None:
    painter = _layered(1, 2)
    painter.say("move", 2, 1, 0, 0, 0)
    painter.say("dispose", 1)
    assert painter.pixel(0, 0) == (0, 0, 0)
    painter.say("move", 2, 0, 0, 0, 0)
    assert painter.pixel(0, 0) == (0, 255, 0)


def test_the_display_itself_cannot_be_disposed_of_or_moved() -> None:
    painter = Painter()
    painter.fill(0, (0, 0, 8, 8), RED)
    painter.say("dispose", 0)
    painter.say("move", 0, 1, 3, 3, 3)
    assert painter.pixel(0, 0) == (255, 0, 0)
    assert painter.display.size == (8, 8)


def test_a_buffer_is_never_seen_and_never_moved() -> None:
    painter = Painter()
    painter.fill(-1, (0, 0, 8, 8), RED)
    painter.say("move", -1, 0, 0, 0, 0)
    painter.say("shade", -1, 255)
    assert painter.pixel(0, 0) == (0, 0, 0)


def test_a_layer_cannot_lie_in_itself() -> None:
    painter = _layered(1, 2)
    painter.say("move", 2, 1, 0, 0, 0)
    painter.say("move", 1, 2, 0, 0, 0)
    painter.say("move", 1, 1, 0, 0, 0)
    assert len(painter.refusals) == 2
    assert painter.pixel(0, 0) == (0, 255, 0)


def test_the_version_rises_with_what_is_seen_and_with_nothing_else() -> None:
    painter = _layered(1)
    seen = painter.display.version
    painter.fill(-1, (0, 0, 8, 8), RED)
    painter.say("copy", 1, 0, 0, 8, 8, OVER, -2, 0, 0)
    painter.say("size", -3, 50, 50)
    painter.say("sync", 5)
    painter.say("key", 65, 1, 5)
    assert painter.display.version == seen
    for change in (("move", 1, 0, 1, 1, 1), ("shade", 1, 9), ("mouse", 3, 3), ("dispose", 1)):
        painter.say(*change)
        assert painter.display.version > seen
        seen = painter.display.version


def test_what_is_said_to_have_changed_is_all_that_changed() -> None:
    painter = _layered(1, 2)
    before = painter.display.picture()
    painter.display.take_changed()
    painter.fill(1, (2, 2, 1, 1), BLUE)
    painter.say("move", 2, 0, 5, 5, 0)
    painter.say("cursor", 0, 0, 1, 0, 0, 2, 2)
    painter.say("mouse", 14, 1)
    after = painter.display.picture()
    for rect in painter.display.take_changed():
        before[rect.within] = after[rect.within]
    assert (before == after).all()
