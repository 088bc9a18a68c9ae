"""Streams, pointer and the instructions that nothing is drawn for."""

from __future__ import annotations

import base64
import sys

import pytest

from kasm_recd.guacamole.arguments import numbers
from tests.painting import BLUE, GREEN, OVER, RED, SRC, Painter, encoded, plain


def test_two_streams_at_once_do_not_mix() -> None:
    painter = Painter()
    first, second = (encoded(plain(4, 4, colour)) for colour in (RED, GREEN))
    painter.say("img", 1, OVER, 0, "image/png", 0, 0)
    painter.say("img", 2, OVER, 0, "image/png", 4, 4)
    for start in range(0, 400, 30):
        for stream, data in ((1, first), (2, second)):
            if piece := data[start : start + 30]:
                painter.say("blob", stream, base64.b64encode(piece))
        painter.say("mouse", start, 0)
    painter.say("end", 2)
    painter.say("end", 1)
    assert painter.pixel(0, 0) == (255, 0, 0)
    assert painter.pixel(7, 7) == (0, 255, 0)
    assert painter.refusals == []


def test_an_image_is_drawn_with_the_mask_that_its_layer_has_at_its_end() -> None:
    painter = Painter()
    painter.fill(1, (0, 0, 8, 8), RED)
    painter.say("img", 1, OVER, 1, "image/png", 0, 0)
    painter.fill(1, (7, 7, 1, 1), BLUE, SRC)
    painter.say("blob", 1, base64.b64encode(encoded(plain(1, 1, GREEN))))
    painter.say("end", 1)
    assert painter.inside(1, 0, 0) == GREEN
    assert painter.inside(1, 7, 7) == (0, 0, 0, 0), "SRC cleared it"


def test_sound_on_an_image_streams_index_ends_the_image() -> None:
    painter = Painter()
    painter.say("img", 1, OVER, 0, "image/png", 0, 0)
    painter.say("audio", 1, "audio/L16;rate=44100,channels=2")
    painter.say("blob", 1, base64.b64encode(encoded(plain(8, 8, RED))))
    painter.say("end", 1)
    assert painter.pixel(0, 0) == (0, 0, 0)
    assert painter.refusals == []


def test_an_image_for_a_layer_that_was_disposed_of_goes_nowhere() -> None:
    painter = Painter()
    painter.say("img", 1, OVER, -1, "image/png", 0, 0)
    buffer = painter.display.layers.at(-1)
    painter.say("dispose", -1)
    painter.say("blob", 1, base64.b64encode(encoded(plain(8, 8, RED))))
    painter.say("end", 1)
    assert buffer.area.empty, "or its pixels would never be given back"


def _pointed() -> Painter:
    """A white pixel with its hot spot one to the left and above of a grey one."""
    painter = Painter()
    painter.fill(-1, (0, 0, 2, 2), (255, 255, 255, 255))
    painter.fill(-1, (1, 1, 1, 1), (90, 90, 90, 255))
    painter.say("cursor", 1, 1, -1, 0, 0, 2, 2)
    return painter


def test_the_pointer_is_shown_from_the_first_mouse_instruction_on() -> None:
    painter = _pointed()
    assert painter.pixel(0, 0, pointer=True) == (0, 0, 0)
    painter.say("mouse", 4, 5)
    assert painter.pixel(4, 5, pointer=True) == (90, 90, 90), "the hot spot points"
    assert painter.pixel(3, 4, pointer=True) == (255, 255, 255)
    assert painter.pixel(4, 5, pointer=False) == (0, 0, 0)


def test_the_pointer_leaves_nothing_behind_where_it_moves() -> None:
    painter = _pointed()
    for x in range(-3, 12):
        painter.say("mouse", x, 4)
        painter.display.picture()
    assert not painter.display.picture().any()


def test_the_pointer_is_painted_again_where_something_is_drawn_under_it() -> None:
    painter = _pointed()
    painter.say("mouse", 4, 4)
    painter.display.picture()
    painter.fill(0, (0, 0, 8, 8), RED)
    assert painter.pixel(4, 4, pointer=True) == (90, 90, 90)
    assert painter.pixel(5, 5, pointer=True) == (255, 0, 0)


def test_a_pointer_picture_replaces_the_one_before_and_keeps_its_own_pixels() -> None:
    painter = _pointed()
    painter.say("mouse", 4, 4)
    painter.say("cursor", 0, 0, -1, 1, 1, 1, 1)
    painter.say("dispose", -1)
    assert painter.pixel(4, 4, pointer=True) == (90, 90, 90)
    assert painter.pixel(3, 3, pointer=True) == (0, 0, 0)


def test_instructions_that_are_not_drawn_are_counted_and_never_fatal() -> None:
    painter = Painter()
    for opcode in ("undefine", "undefine", "body", "made-up"):
        painter.say(opcode, 0, 1, 2, 3)
    assert painter.display.ignored == {"undefine": 2, "body": 1, "made-up": 1}
    assert painter.refusals == []


@pytest.mark.parametrize("opcode", ["sync", "key", "nop", "name", "audio", "msg", "clipboard"])
def test_what_is_never_seen_is_not_counted_as_missed(opcode: str) -> None:
    painter = Painter()
    painter.say(opcode, 1, 2, 3)
    assert not painter.display.ignored


def test_arguments_that_nobody_asked_for_are_not_kept() -> None:
    args = (b"7", b"8", bytes(1_000_000))
    before = sys.getrefcount(args)
    assert numbers(args, 2) == (7, 8)
    assert sys.getrefcount(args) == before
