"""Pictures in frames: where they lie, what surrounds them, and which colours come out."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from hypothesis import given, settings
from hypothesis import strategies as st

from kasm_recd.guacamole.geometry import Rect
from kasm_recd.guacamole.pixels import Bytes, words_of
from kasm_recd.workers.letterbox import Letterbox, fitted
from kasm_recd.workers.windows import Windows
from tests.painting import BLUE, GREEN, RED, Colour, plain

#: Pictures and the frames they are put into, with many, some, few and no windows.
SCALED = [
    *[((1280, 720), (720, 480)), ((1024, 768), (640, 480)), ((1366, 768), (720, 480))],
    *[((800, 600), (1280, 720)), ((801, 601), (720, 480))],
]
#: A window's filter is rounded anew; on noise, the hardest picture, that is seen.
LEVELS_SMALLER, LEVELS_LARGER = 1, 2
WHITE, BLACK = (255, 255, 255, 255), (0, 0, 0, 255)


def _shown(letterbox: Letterbox) -> Bytes:
    """What a player makes of the frame, RGB."""
    rgb = letterbox.frame.reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    pixels: Bytes = rgb.to_ndarray().astype(np.uint8)
    return pixels


def _put(letterbox: Letterbox, pixels: Bytes) -> None:
    letterbox.put(words_of(pixels), [Rect(0, 0, 1, 1)])


@pytest.mark.parametrize(
    ("picture", "frame", "place"),
    [
        ((1280, 720), (1280, 720), Rect(0, 0, 1280, 720)),
        ((1024, 700), (1280, 720), Rect(112, 0, 1166, 720)),
        ((1440, 900), (1280, 720), Rect(64, 0, 1216, 720)),
        ((1280, 720), (720, 480), Rect(0, 38, 720, 442)),
        ((720, 1280), (1280, 720), Rect(438, 0, 842, 720)),
        ((1023, 701), (1024, 702), Rect(0, 0, 1023, 701)),
        ((16_000, 2), (640, 480), Rect(0, 238, 640, 240)),
        ((1, 1), (640, 480), Rect(80, 0, 560, 480)),
    ],
)
def test_a_picture_lies_in_the_middle_as_large_as_it_fits(
    picture: tuple[int, int], frame: tuple[int, int], place: Rect
) -> None:
    assert fitted(*picture, *frame) == place


@given(*[st.integers(1, 3_000)] * 2, *[st.integers(8, 1_000).map(lambda half: half * 2)] * 2)
def test_a_picture_never_leaves_its_frame_and_keeps_its_shape(
    width: int, height: int, frame_width: int, frame_height: int
) -> None:
    place = fitted(width, height, frame_width, frame_height)
    assert place.cut_to(Rect(0, 0, frame_width, frame_height)) == place
    assert place.left % 2 == place.top % 2 == 0
    assert place.width >= frame_width - 2 or place.height >= frame_height - 2
    if min(place.width, place.height) > 8:
        assert abs(place.width * height - place.height * width) <= 1.5 * max(width, height)


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE, WHITE, BLACK, (100, 150, 200, 255)])
def test_colours_come_back_as_they_were(colour: Colour) -> None:
    letterbox = Letterbox(64, 64)
    _put(letterbox, plain(64, 64, colour))
    assert np.abs(_shown(letterbox).astype(int) - colour[:3]).max() <= 3


def test_bars_are_black_and_stay_black_across_sizes() -> None:
    letterbox = Letterbox(128, 64)
    _put(letterbox, plain(128, 64, WHITE))
    _put(letterbox, plain(32, 32, RED))
    shown = _shown(letterbox)
    assert shown[:, :30].max() <= 2
    assert shown[:, 98:].max() <= 2
    assert shown[32, 64, 0] >= 250
    _put(letterbox, plain(128, 64, WHITE))
    assert _shown(letterbox).min() >= 250


def test_a_picture_without_pixels_is_black() -> None:
    letterbox = Letterbox(64, 64)
    _put(letterbox, plain(64, 64, WHITE))
    _put(letterbox, np.zeros((0, 0, 4), np.uint8))
    assert _shown(letterbox).max() <= 2


@given(
    st.lists(st.tuples(*[st.integers(0, 90)] * 4), max_size=6),
    st.sampled_from([(96, 96), (95, 95), (50, 96)]),
)
@settings(max_examples=40, deadline=None)
def test_converting_what_changed_gives_what_converting_all_would(
    rects: list[tuple[int, int, int, int]], size: tuple[int, int]
) -> None:
    random = np.random.default_rng(len(rects))
    columns, rows = size
    pixels = plain(columns, rows, WHITE)
    kept_up = Letterbox(96, 96)
    _put(kept_up, pixels)
    changed = [Rect.sized(*rect).cut_to(Rect(0, 0, columns, rows)) for rect in rects]
    changed = [rect for rect in changed if not rect.empty]
    for rect in changed:
        pixels[rect.within] = random.integers(0, 256, 4)
    kept_up.put(words_of(pixels), changed)
    anew = Letterbox(96, 96)
    _put(anew, pixels)
    assert np.array_equal(_shown(kept_up), _shown(anew))


@given(
    st.lists(st.tuples(*[st.floats(0, 1)] * 2, *[st.floats(0, 0.3)] * 2), min_size=1, max_size=3),
    st.sampled_from(SCALED),
    st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_scaling_what_changed_gives_what_scaling_all_would(
    shares: list[tuple[float, float, float, float]],
    sizes: tuple[tuple[int, int], tuple[int, int]],
    seed: int,
) -> None:
    random, ((columns, rows), frame) = np.random.default_rng(seed), sizes
    pixels = np.full((rows, columns, 4), 255, np.uint8)
    pixels[..., :3] = random.integers(0, 256, (rows, columns, 3), np.uint8)
    kept_up = Letterbox(*frame)
    kept_up.put(words_of(pixels), [])
    part = (columns, rows) * 2
    whole = Rect(0, 0, columns, rows)
    rects = [
        Rect.sized(*(int(a * b) for a, b in zip(share, part, strict=True))) for share in shares
    ]
    changed = [rect.cut_to(whole) for rect in rects]
    for rect in changed:
        noise = random.integers(0, 2, (rect.height, rect.width, 1), np.uint8)
        pixels[(*rect.within, slice(3))] = noise * 255
    kept_up.put(words_of(pixels), changed)
    anew = Letterbox(*frame)
    anew.put(words_of(pixels), [])
    levels = LEVELS_SMALLER if rows > frame[1] else LEVELS_LARGER
    difference = kept_up.frame.to_ndarray().astype(int) - anew.frame.to_ndarray()
    assert np.abs(difference).max() <= levels


def test_a_small_change_is_scaled_with_little_around_it() -> None:
    windows = Windows(Rect(0, 0, 1280, 720), Rect(0, 38, 720, 442))
    (window,) = windows.around([Rect.sized(400, 100, 10, 20)]) or []
    assert window.source == Rect(352, 0, 448, 360)
    assert window.shown == Rect(198, 0, 252, 202)
    assert window.sound == Rect(218, 50, 238, 74)


@pytest.mark.parametrize(
    ("width", "changed"),
    [(1280, [Rect(0, 0, 1280, 700)]), (1280, [Rect(0, 0, 9, 9)] * 9), (1279, [Rect(0, 0, 9, 700)])],
)
def test_all_is_scaled_where_that_costs_less(width: int, changed: list[Rect]) -> None:
    assert Windows(Rect(0, 0, width, 720), Rect(0, 0, 720, 404)).around(changed) is None
