"""Drawing that waits: nothing is decoded in vain, and nobody can tell that anything waited."""

from __future__ import annotations

import base64
import io
import zlib
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kasm_recd.guacamole import images, pictures, waiting
from kasm_recd.guacamole.compositing import opaque
from kasm_recd.guacamole.geometry import Rect
from kasm_recd.guacamole.inks import Colour, Drawing, Held, Loan
from kasm_recd.guacamole.instructions import Instruction, encode, read
from kasm_recd.guacamole.waiting import Surface
from tests.display_state import differences
from tests.drawing import INSTRUCTIONS, Said
from tests.painting import BLUE, GREEN, OVER, RED, Painter, encoded, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.guacamole.pixels import Words

SURFACES = st.sampled_from([-2, -1, 0, 0, 1])
PLACES = st.integers(-10, 60)
LENGTHS = st.integers(1, 70)


@st.composite
def _drawn(draw: st.DrawFn) -> list[Said]:
    """What desktops are made of: opaque images, fills and copies back and forth."""
    kind, x, y = (
        draw(st.sampled_from(["image", "fill", "copy", "copy"])),
        draw(PLACES),
        draw(PLACES),
    )
    width, height = draw(LENGTHS), draw(LENGTHS)
    if kind == "image":
        shape = (min(height, 30), min(width, 45), draw(st.sampled_from([3, 3, 4])))
        pixels = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 256, shape, np.uint8)
        return [
            ("img", 0, OVER, draw(SURFACES), "image/png", x, y),
            ("blob", 0, base64.b64encode(encoded(pixels))),
            ("end", 0),
        ]
    if kind == "fill":
        layer, alpha = draw(SURFACES), draw(st.sampled_from([255, 255, 90]))
        rect: Said = ("rect", layer, x, y, width, height)
        return [rect, ("cfill", OVER, layer, draw(st.integers(0, 255)), 80, 3, alpha)]
    source, target = draw(SURFACES), draw(SURFACES)
    to = draw(PLACES), draw(PLACES)
    return [("copy", source, max(x, 0), max(y, 0), width, height, OVER, target, *to)]


LOOK: Said = ("look",)
#: Opaque pixels on all surfaces, as only those are lent, and then anything.
OPAQUE: list[Said] = [
    said
    for layer in (0, 1, -1, -2)
    for said in (("rect", layer, 0, 0, 90, 90), ("cfill", OVER, layer, 9, 99, layer + 9, 255))
]
STREAM = st.lists(
    st.one_of(_drawn(), _drawn(), _drawn(), INSTRUCTIONS, st.just([LOOK])), min_size=15, max_size=50
).map(lambda lists: [*OPAQUE, *(said for some in lists for said in some)])


def _settled(painter: Painter) -> None:
    for layer in painter.display.layers:
        assert layer.words.shape == layer.area[:1:-1]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(said=STREAM, many=st.sampled_from([2, 5, 128]), deep=st.sampled_from([2, 3, 16]))
def test_drawing_late_and_drawing_at_once_are_the_same(
    said: list[Said], many: int, deep: int
) -> None:
    with patch.multiple(waiting, _MANY=many, _HEAVY=4 * many, _DEEP=deep):
        late, at_once = Painter(80, 70), Painter(80, 70)
        for each in said:
            if each is LOOK:
                late.display.paint()
                continue
            late.say(*each)  # type: ignore[arg-type]
            at_once.say(*each)  # type: ignore[arg-type]
            _settled(at_once)
        assert differences(late.display, at_once.display) == []
        assert late.display.damage == at_once.display.damage


@pytest.fixture
def decoded() -> Iterator[list[bytes]]:
    """The images that were decoded."""
    data: list[bytes] = []

    def decode(image: bytes) -> Words:
        data.append(image)
        return real(image)

    real = images.decode_whole
    with patch.object(images, "decode_whole", decode):
        yield data


def _kinds() -> dict[str, bytes]:
    """An opaque image of 40 x 30 pixels, as everything that guacd sends."""
    noise = np.random.default_rng(3).integers(0, 256, (30, 40, 3), np.uint8)
    files = {}
    for name, kind, options in (
        *(("png", "PNG", {}), ("jpeg", "JPEG", {})),
        *(("lossy webp", "WEBP", {"lossless": False}), ("webp", "WEBP", {"lossless": True})),
    ):
        file = io.BytesIO()
        Image.fromarray(noise).save(file, kind, **options)
        files[name] = file.getvalue()
    palette = io.BytesIO()
    Image.fromarray(noise).quantize(16).save(palette, "PNG")
    return files | {"palette": palette.getvalue()}


@pytest.mark.parametrize("kind", ["png", "jpeg", "lossy webp", "webp", "palette"])
def test_an_image_that_is_covered_before_anybody_looks_is_never_decoded(
    kind: str, decoded: list[bytes]
) -> None:
    painter, image = Painter(64, 64), _kinds()[kind]
    for x in (0, 10, 3):
        painter.image(0, (x, 0), image)
    painter.fill(0, (0, 0, 64, 64), RED)
    assert painter.pixel(5, 5) == RED[:3]
    assert decoded == []
    painter.image(0, (0, 0), image)
    painter.display.paint()
    assert decoded == [image]


def test_an_image_is_decoded_once_for_all_who_have_a_copy(decoded: list[bytes]) -> None:
    painter = Painter(64, 64)
    painter.fill(0, (0, 0, 64, 64), RED)
    painter.image(0, (0, 0), encoded(plain(8, 8, GREEN)))
    painter.say("copy", 0, 0, 0, 64, 64, OVER, -1, 0, 0)
    painter.say("copy", -1, 0, 0, 64, 64, OVER, -2, 0, 0)
    painter.fill(0, (0, 0, 64, 64), BLUE)
    assert painter.pixel(1, 1) == BLUE[:3]
    assert decoded == []
    for buffer in (-1, -2):
        assert painter.inside(buffer, 1, 1) == GREEN
        assert painter.inside(buffer, 20, 20) == RED
    assert len(decoded) == 1


def test_an_image_beneath_an_opaque_layer_is_not_decoded(decoded: list[bytes]) -> None:
    painter = Painter(64, 64)
    painter.image(0, (0, 0), encoded(plain(8, 8, GREEN)))
    painter.fill(1, (0, 0, 64, 64), RED)
    assert painter.pixel(1, 1) == RED[:3]
    assert decoded == []
    painter.say("shade", 1, 0)
    assert painter.pixel(1, 1) == GREEN[:3]
    assert len(decoded) == 1


def test_a_copy_keeps_what_its_source_showed(decoded: list[bytes]) -> None:
    painter = Painter(64, 64)
    painter.fill(0, (0, 0, 64, 64), RED)
    for turn in range(200):  # a scroll: what stood there goes up, below comes something new
        painter.say("copy", 0, 0, 1, 64, 63, OVER, -1, 0, 0)
        painter.say("copy", -1, 0, 0, 64, 63, OVER, 0, 0, 0)
        painter.image(0, (0, 63), encoded(plain(64, 1, (turn, 0, 1, 255))[..., :3]))
    assert [painter.pixel(9, y) for y in range(64)] == [(turn, 0, 1) for turn in range(136, 200)]
    assert len(decoded) == 64


def test_what_turns_out_to_be_broken_is_named_where_it_stands() -> None:
    painter, whole = Painter(64, 64), encoded(plain(40, 30, GREEN))
    start = whole.index(b"IDAT") + 4
    length = int.from_bytes(whole[start - 8 : start - 4], "big")
    garbage = b"\x55" * length
    checksum = zlib.crc32(b"IDAT" + garbage).to_bytes(4, "big")
    broken = whole[:start] + garbage + checksum + whole[start + length + 4 :]
    instructions = [
        *(encode("rect", 0, 0, 0, 64, 64), encode("cfill", OVER, 0, *RED)),
        *(
            encode("img", 1, OVER, 0, "image/png", 0, 0),
            encode("blob", 1, base64.b64encode(broken)),
        ),
        *(encode("end", 1), encode("cfill", "none")),
    ]
    for found in read(instructions):
        assert isinstance(found, Instruction)
        painter.display.apply(found)
    assert [reason[:6] for reason in painter.refusals] == ["cfill:"]
    assert painter.pixel(1, 1) == RED[:3]
    end = len(b"".join(instructions[:-1]))
    told = [(each.end, each.reason[:29]) for each in painter.display.damage]
    assert told == [
        (end, "end: image cannot be decoded:"),
        (end + len(instructions[-1]), "cfill: 1 arguments where 6 ar"),
    ]


@pytest.mark.parametrize("kind", ["png", "jpeg", "lossy webp", "webp", "palette"])
def test_an_image_that_lacks_its_end_does_not_wait(kind: str) -> None:
    whole = _kinds()[kind]
    assert pictures.header(whole) == (40, 30, True)
    assert opaque(images.decode(whole))
    for missing in (1, 13, 200):
        assert pictures.header(whole[:-missing]) is None
        assert pictures.header(whole[:-200] + whole[-200 + missing :]) is None or kind == "jpeg"


def test_what_shines_through_is_known_beforehand() -> None:
    translucent = encoded(plain(4, 4, (9, 9, 9, 100)))
    assert pictures.header(translucent) == (4, 4, False)
    assert pictures.header(encoded(plain(4, 4, (9, 9, 9, 100)), "WEBP")) == (4, 4, False)
    keyed = io.BytesIO()
    Image.fromarray(plain(4, 4, RED)[..., :3].copy()).save(keyed, "PNG", transparency=(255, 0, 0))
    assert pictures.header(keyed.getvalue()) is None


def test_no_more_than_a_bound_waits() -> None:
    held = Held(limit=10_000)
    one, other = Surface(held), Surface(held)
    whole = Rect(0, 0, 64, 64)
    for surface in (one, other):
        surface.replace(np.zeros((64, 64), np.uint32))
        surface.draw(Drawing(whole, Colour(np.uint32(0xFF000007), opaque=True), 0, 0))
    past = one.past(whole)
    assert past is not None
    other.draw(Drawing(whole, past, 0, 0))
    one.words[...] = 0xFF000009  # what was lent has to be copied now: 16 kB
    assert held.bytes == whole.area * 4
    one.draw(Drawing(Rect(0, 0, 1, 1), Colour(np.uint32(0xFF000001), opaque=True), 0, 0))
    del past
    assert held.bytes == 0
    assert (other.look(whole) == 0xFF000007).all()


def _blank(held: Held) -> Surface:
    surface = Surface(held)
    surface.replace(np.zeros((64, 64), np.uint32))
    return surface


def _filled(surface: Surface, word: int, place: Rect) -> None:
    surface.draw(Drawing(place, Colour(np.uint32(word), opaque=True), 0, 0))


def test_who_knows_what_waits_knows_it_drawn_and_costs_no_copy() -> None:
    held, whole = Held(), Rect(0, 0, 64, 64)
    one, other = _blank(held), _blank(held)
    _filled(one, 0xFF000007, whole)
    past = one.past(whole)
    assert past is not None
    other.draw(Drawing(whole, past, 0, 0))
    one.settle()
    assert held.bytes == 0
    assert len(past.drawings) == past.weight == past.depth == 1
    _filled(one, 0xFF000009, Rect(0, 0, 32, 64))
    one.settle()
    assert held.bytes == whole.area * 4  # this is news, so what was known is copied
    assert (other.look(whole) == 0xFF000007).all()


@pytest.mark.parametrize("way", ["changed", "replaced", "drawn between"])
def test_what_was_known_before_is_not_taken_for_what_is_drawn_now(way: str) -> None:
    held, whole = Held(), Rect(0, 0, 64, 64)
    one, other = _blank(held), _blank(held)
    one.words[...] = 0xFF000007
    past = one.past(whole)
    assert past is not None
    other.draw(Drawing(whole, past, 0, 0))
    if way == "changed":
        one.words[...] = 0xFF000008
    elif way == "replaced":
        one.replace(np.full((64, 64), 0xFF000008, np.uint32))
    else:
        _filled(one, 0xFF000008, Rect(0, 0, 9, 9))
        one.settle()
    _filled(one, 0xFF000009, Rect(64, 64, 64, 64))  # which no part of the past has
    one.settle()
    _filled(one, 0xFF00000A, whole)
    one.settle()
    assert (other.look(whole) == 0xFF000007).all()


def test_of_its_own_pixels_a_surface_copies_no_more_than_it_shows() -> None:
    one = _blank(Held())
    one.words[...] = np.arange(64, dtype=np.uint32)[:, None] | 0xFF000000
    past = one.past(Rect(0, 0, 64, 64))
    assert past is not None
    one.draw(Drawing(Rect(0, 0, 64, 8), past, 0, -1))  # a scroll of its upper rows
    del past
    with patch.object(Loan, "keep", autospec=True, side_effect=Loan.keep) as keep:
        one.settle()
    assert [call.args[0].part for call in keep.call_args_list] == [Rect(0, 1, 64, 9)]
    assert (one.words[:10, 0] & 0xFF).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 8, 9]


def test_of_more_copies_than_guacd_makes_each_keeps_its_own() -> None:
    """To tell them all what is drawn takes longer than to copy it: hostile recordings have many."""
    held, whole = Held(), Rect(0, 0, 64, 64)
    one, others = _blank(held), [_blank(held) for _ in range(20)]
    _filled(one, 0xFF000007, whole)
    for other in others:
        past = one.past(whole)
        assert past is not None
        other.draw(Drawing(whole, past, 0, 0))
        del past
    one.settle()
    assert held.bytes == len(others) * whole.area * 4
    assert all((other.look(whole) == 0xFF000007).all() for other in others)


@pytest.mark.parametrize("known", ["all of it", "what was drawn"])
def test_what_a_newer_copy_covers_is_lent_no_more(known: str) -> None:
    """As guacd's buffer: all of the display, then again and again the part that changed."""
    held, whole, upper = Held(), Rect(0, 0, 64, 64), Rect(0, 0, 64, 40)
    one, other = _blank(held), _blank(held)
    _filled(one, 0xFF000007, whole)
    for word in (0xFF000008, 0xFF000009):
        part = whole if word == 0xFF000008 else upper
        past = one.past(part)
        assert past is not None
        other.draw(Drawing(part, past, 0, 0))
        del past
        if known == "what was drawn":
            one.settle()
        _filled(one, word, upper)
    one.settle()
    assert held.bytes == upper.area * 4  # and not the lower part, which has not changed
    assert (other.look(upper) == 0xFF000008).all()
    assert (other.look(Rect(0, 40, 64, 64)) == 0xFF000007).all()


def test_what_is_copied_already_is_not_lent_again() -> None:
    whole, upper, lower = Rect(0, 0, 64, 64), Rect(0, 0, 64, 40), Rect(0, 40, 64, 64)
    one, other = _blank(Held()), _blank(Held())
    one.words[...] = 0xFF000007
    for part in (whole, upper):
        past = one.past(part)
        assert past is not None
        other.draw(Drawing(part, past, 0, 0))
        del past
        _filled(one, 0xFF000008, lower)
        one.settle()
    assert (other.look(whole) == 0xFF000007).all()
