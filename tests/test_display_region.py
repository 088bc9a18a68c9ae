"""A region is few rectangles that hold all that was added, and not much more."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kasm_recd.guacamole.geometry import Rect, Region

RECTS = st.builds(
    Rect.sized, st.integers(0, 200), st.integers(0, 200), st.integers(0, 90), st.integers(0, 90)
)


@settings(max_examples=100, deadline=None)
@given(rects=st.lists(RECTS, max_size=60), times=st.sampled_from([1, 1, 20]))
def test_all_that_was_added_is_given_out_as_few_pieces(rects: list[Rect], times: int) -> None:
    region, added, taken = Region(), *(np.zeros((300, 300), np.bool_) for _ in range(2))
    for rect in rects * times:
        region.add(rect)
        added[rect.within] = True
    pieces = region.take()
    for piece in pieces:
        taken[piece.within] = True
    assert len(pieces) <= 16
    assert not (added & ~taken).any()
    assert region.take() == []
    if added.any():
        ys, xs = np.nonzero(added)
        assert not taken[: ys.min()].any()
        assert not taken[ys.max() + 1 :].any()
        assert not taken[:, : xs.min()].any()
        assert not taken[:, xs.max() + 1 :].any()


def test_many_that_lie_apart_stay_apart() -> None:
    region = Region()
    for at in range(40):
        region.add(Rect.sized(at % 10, 3 * (at % 20), 4, 4))
        region.add(Rect.sized(500 + at % 10, 300, 4, 4))
    pieces = region.take()
    assert sum(piece.area for piece in pieces) < 5_000
    assert len(pieces) > 1


@settings(max_examples=500, deadline=None)
@given(*(st.tuples(*[st.integers(0, 12)] * 4) for _ in range(2)))
@example((0, 0, 9, 9), (0, 0, 9, 4))
@example((2, 2, 9, 9), (5, 0, 12, 12))
def test_what_is_left_of_a_rectangle_is_as_small_as_one_can_be(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> None:
    whole, cut = Rect.sized(*one), Rect.sized(*other)
    pixels = np.zeros((30, 30), np.bool_)
    pixels[whole.within] = True
    pixels[cut.within] = False
    left = whole.without(cut)
    ys, xs = np.nonzero(pixels)
    if not ys.size:
        assert left.empty
    else:
        assert left == Rect(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
