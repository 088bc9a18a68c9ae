"""A preamble, told to a fresh display, gives the state that it was written from: all of it."""

from __future__ import annotations

import base64
import re
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from kasm_recd.guacamole import preamble
from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, encode, read
from tests.display_state import differences, state
from tests.drawing import STREAM, Said
from tests.painting import GREEN, OVER, RED, SRC, Painter, encoded, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

SYNC = (b"1234567", b"1")


def _told(instructions: Iterable[bytes]) -> Display:
    """A fresh display after ``instructions``, each of which it has to understand."""
    display = Display()
    for found in read(instructions):
        assert isinstance(found, Instruction)
        display.apply(found)
    assert display.damage == []
    assert not display.ignored
    return display


def _restored(painter: Painter) -> Display:
    return _told(preamble.write(painter.display, SYNC))


def _opcodes(display: Display) -> list[str]:
    found = read(preamble.write(display, SYNC))
    return [each.opcode for each in found if isinstance(each, Instruction)]


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(said=STREAM)
def test_state_after_a_preamble_is_state_after_everything(said: list[Said]) -> None:
    painter = Painter()
    for each in said:
        painter.say(*each)  # type: ignore[arg-type]
    written = list(preamble.write(painter.display, SYNC))
    restored = _told(written)
    assert differences(painter.display, restored) == []
    assert list(preamble.write(restored, SYNC)) == written


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(before=STREAM, after=STREAM)
def test_what_comes_after_a_preamble_is_drawn_as_without_a_cut(
    before: list[Said], after: list[Said]
) -> None:
    painter = Painter()
    for each in before:
        painter.say(*each)  # type: ignore[arg-type]
    resumed = Painter()
    resumed.display = _restored(painter)
    for each in after:
        painter.say(*each)  # type: ignore[arg-type]
        resumed.say(*each)  # type: ignore[arg-type]
    assert differences(painter.display, resumed.display) == []


def test_a_fresh_display_is_a_size_and_a_sync() -> None:
    assert list(preamble.write(Display(), SYNC)) == [
        b"4.size,1.0,1.0,1.0;",
        b"4.sync,7.1234567,1.1;",
    ]


def test_it_ends_with_the_one_sync_of_the_cut() -> None:
    painter = Painter()
    painter.fill(0, (0, 0, 8, 8), RED)
    painter.say("mouse", 3, 4)
    *_, mouse, sync = preamble.write(painter.display, (b"77",))
    assert sync == encode("sync", 77)
    assert mouse == encode("mouse", 3, 4, 0, 77)
    assert _opcodes(painter.display).count("sync") == 1


def test_blobs_are_within_what_libguac_reads() -> None:
    painter, chance = Painter(90, 90), np.random.default_rng(1)
    for x, y in product((0, 30, 60), repeat=2):
        painter.image(0, (x, y), encoded(chance.integers(0, 256, (30, 30, 3), np.uint8)))
    blobs = [
        found.args[1]
        for found in read(preamble.write(painter.display, SYNC))
        if isinstance(found, Instruction) and found.opcode == "blob"
    ]
    assert max(map(len, blobs)) <= 8_192
    assert {len(base64.b64decode(blob)) for blob in blobs[:-1]} == {6_048}


def test_pixels_of_every_alpha_come_back_to_the_bit() -> None:
    painter = Painter(256, 256)
    rows, columns = np.mgrid[0:256, 0:256].astype(np.uint8)
    pixels = np.dstack([columns, 255 - columns, columns // 2, rows])
    for top, left in product(range(0, 256, 32), repeat=2):
        painter.image(0, (left, top), encoded(pixels[top : top + 32, left : left + 32]))
    before = painter.display.layers.root.words.copy()
    assert (_restored(painter).layers.root.words == before).all()


def test_what_two_layers_share_is_sent_once() -> None:
    painter, chance = Painter(90, 90), np.random.default_rng(1)
    for x, y in product((0, 30, 60), repeat=2):
        tile = encoded(chance.integers(0, 256, (30, 30, 3), np.uint8))
        painter.image(0, (x, y), tile)
        painter.image(-1, (x, y), tile)
    painter.fill(0, (40, 50, 7, 6), GREEN)
    written = list(preamble.write(painter.display, SYNC))
    assert sum(map(len, written)) < 90 * 90 * 3 * 1.5
    assert differences(painter.display, _told(written)) == []


def test_a_buffer_keeps_what_lies_beyond_its_size() -> None:
    painter = Painter()
    painter.fill(-5, (0, 0, 60, 60), RED)
    painter.say("size", -5, 10, 10)
    resumed = Painter()
    resumed.display = _restored(painter)
    assert (resumed.display.layers.at(-5).width, resumed.inside(-5, 59, 59)) == (10, RED)


def test_a_pointer_keeps_what_lies_beyond_its_size() -> None:
    painter = Painter()
    painter.fill(-1, (0, 0, 60, 60), RED)
    painter.say("cursor", 1, 2, -1, 0, 0, 60, 60)
    painter.say("cursor", 1, 2, -1, 900, 0, 10, 10)
    restored = _restored(painter)
    assert restored.pointer.canvas.width == 10
    assert restored.pointer.canvas.words[59, 59] == painter.display.pointer.canvas.words[59, 59] > 0
    assert differences(painter.display, restored) == []


def test_a_filled_path_can_be_filled_again_in_the_player_but_not_in_guacenc() -> None:
    painter = Painter()
    painter.fill(0, (1, 1, 2, 2), RED)
    painter.say("copy", -9, 0, 0, 0, 0, SRC, 0, 0, 0)
    written = [each.decode() for each in preamble.write(painter.display, SYNC)]
    rect = next(at for at, each in enumerate(written) if each.startswith("4.rect"))
    assert written[rect + 1].startswith("5.cfill")
    resumed = Painter()
    resumed.display = _told(each.encode() for each in written)
    resumed.say("cfill", OVER, 0, *GREEN)
    assert [resumed.pixel(1, 1), resumed.pixel(4, 4)] == [(0, 255, 0), (0, 0, 0)]


def test_children_of_a_layer_that_is_gone_stay_off_the_display() -> None:
    painter = Painter()
    painter.fill(2, (0, 0, 8, 8), RED)
    painter.say("move", 2, 1, 0, 0, 0)
    painter.say("dispose", 1)
    resumed = Painter()
    resumed.display = _restored(painter)
    assert resumed.pixel(0, 0) == (0, 0, 0)
    resumed.say("move", 2, 0, 0, 0, 0)
    assert resumed.pixel(0, 0) == (255, 0, 0)


def test_an_open_image_goes_on_where_it_was() -> None:
    painter, data = Painter(), encoded(plain(8, 8, GREEN))
    painter.say("img", 7, OVER, 0, "image/png", 0, 0)
    painter.say("blob", 7, base64.b64encode(data[:30]))
    resumed = Painter()
    resumed.display = _restored(painter)
    resumed.say("blob", 7, base64.b64encode(data[30:]))
    resumed.say("end", 7)
    assert resumed.pixel(7, 7) == (0, 255, 0)


def test_an_image_on_its_way_to_a_buffer_of_nothing_goes_on_too() -> None:
    painter = Painter()
    painter.say("push", 0)
    painter.say("img", 7, OVER, -1, "image/png", 0, 0)
    painter.say("size", -2, 0, 0)
    restored = _restored(painter)
    assert [image.layer.index for image in restored.streams.images.values()] == [-1]
    assert differences(painter.display, restored) == []
    assert -2 not in [layer.index for layer in restored.layers]


def test_open_sound_is_announced_again() -> None:
    painter = Painter()
    painter.say("audio", 3, "audio/L16;rate=44100,channels=2")
    assert encode("audio", 3, "audio/L16;rate=44100,channels=2") in list(
        preamble.write(painter.display, SYNC)
    )
    painter.say("end", 3)
    assert "audio" not in _opcodes(painter.display)


def test_every_layer_has_a_size_and_a_place() -> None:
    painter = Painter()
    for layer in (3, 1, 2):
        painter.say("size", layer, 4, 4)
    text = b"".join(preamble.write(painter.display, SYNC)).decode()
    for layer in (1, 2, 3):
        assert f"4.size,1.{layer},1.4,1.4;" in text
        assert f"4.move,1.{layer},1.0," in text
    assert re.findall(r"4.size,1.(\d),1.0,1.0;", text) == ["3", "1", "2"]


CHANGES: dict[str, list[Said]] = {
    "pointer": [("mouse", 1, 1)],
    "hotspot": [("cursor", 1, 2, -1, 0, 0, 0, 0)],
    "path": [("rect", 0, 0, 0, 1, 1)],
    "kind of command": [("line", 0, 1, 1)],
    "stream": [("img", 1, OVER, 0, "image/png", 0, 0)],
    "nested stream": [("nest", 1, "4.si")],
    "operator": [("cfill", SRC, 0, 0, 0, 0, 0)],
    "clip": [("rect", 0, 0, 0, 1, 1), ("clip", 0)],
    "transformation": [("transform", 0, 2, 0, 0, 2, 0, 0)],
    "line": [("cstroke", OVER, 0, 1, 1, 3, 0, 0, 0, 0)],
    "miter limit": [("set", 0, "miter-limit", 3)],
    "saved state": [("push", 0)],
    "opacity": [("shade", 1, 9)],
    "distortion": [("distort", 1, 2, 0, 0, 2, 0, 0)],
    "place": [("move", 1, 0, 3, 3, 0)],
    "order": [("move", 1, 0, 0, 0, 1)],
    "sound": [("audio", 2, "audio/L16;rate=44100,channels=2")],
}


@pytest.mark.parametrize("field", CHANGES)
def test_the_comparison_sees_every_field_and_a_preamble_restores_it(field: str) -> None:
    one, two = Painter(), Painter()
    for painter in (one, two):
        painter.say("size", 1, 8, 8)
        painter.say("start", 0, 1, 1)
    before = state(two.display)
    assert state(one.display) == before
    for each in CHANGES[field]:
        two.say(*each)  # type: ignore[arg-type]
    assert differences(one.display, two.display)
    assert differences(two.display, _restored(two)) == []
