"""The picture that is kept up to date is the one that would be drawn anew."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kasm_recd.guacamole.screen import Screen
from tests.painting import Painter

_LAYER = st.integers(-2, 4)
_PLACE = st.integers(-4, 20)
_SIDE = st.integers(0, 30)
_BYTE = st.sampled_from([0, 1, 100, 254, 255])
_MASK = st.sampled_from([1, 2, 4, 6, 8, 9, 10, 11, 12, 14, 15])

_DRAWING = st.one_of(
    st.tuples(st.just("rect"), _LAYER, _PLACE, _PLACE, _SIDE, _SIDE),
    st.tuples(st.just("cfill"), _MASK, _LAYER, _BYTE, _BYTE, _BYTE, _BYTE),
    st.tuples(st.just("copy"), _LAYER, _PLACE, _PLACE, _SIDE, _SIDE, _MASK, _LAYER, _PLACE, _PLACE),
    st.tuples(st.just("size"), _LAYER, _SIDE, _SIDE),
    st.tuples(st.just("move"), _LAYER, _LAYER, _PLACE, _PLACE, st.integers(0, 2)),
    st.tuples(st.just("shade"), _LAYER, _BYTE),
    st.tuples(st.just("dispose"), _LAYER),
    st.tuples(
        st.just("cursor"), _PLACE, _PLACE, _LAYER, st.just(0), st.just(0), st.just(9), st.just(9)
    ),
    st.tuples(st.just("mouse"), _PLACE, _PLACE),
    st.sampled_from([("paint", True), ("paint", False)]),
)


@given(st.lists(_DRAWING, max_size=80), st.booleans())
@settings(max_examples=200, deadline=None)
def test_painting_what_changed_equals_painting_everything(
    drawing: list[tuple[Any, ...]], pointer: bool
) -> None:
    painter = Painter(24, 24)
    display = painter.display
    shown, version = display.picture(pointer=pointer), display.version
    for opcode, *args in drawing:
        if opcode == "paint":
            display.paint(pointer=args[0])
        else:
            painter.say(opcode, *args)
    anew = Screen(display.layers.root, display.pointer).paint(pointer=pointer)
    assert np.array_equal(display.paint(pointer=pointer), anew)
    if display.version == version:
        assert np.array_equal(display.picture(pointer=pointer), shown)
