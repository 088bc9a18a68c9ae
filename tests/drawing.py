"""Streams of instructions as guacd, or a hostile program, might send them; for hypothesis."""

from __future__ import annotations

import base64

import numpy as np
from hypothesis import strategies as st

from kasm_recd.guacamole.instructions import encode
from tests.painting import encoded

Said = tuple[str | bytes | int, ...]

MASKS = st.sampled_from([0x1, 0x2, 0x4, 0x6, 0x8, 0x9, 0xA, 0xB, 0xC, 0xE, 0xE, 0xC, 0xF, 0x0, 0x7])
LAYERS = st.integers(0, 4)
SURFACES = st.integers(-3, 4)
SIZES = st.one_of(st.integers(0, 20), st.sampled_from([0, 40, 64, 65, 130]))
PLACES = st.integers(-20, 90)
LENGTHS = st.integers(-5, 80)
BYTES = st.integers(0, 255)
STREAMS = st.integers(0, 2)
NUMBERS = st.integers(-(2**24), 2**24)


@st.composite
def _image(draw: st.DrawFn) -> list[Said]:
    """A whole image, or one that is still on its way."""
    stream, mask, surface = draw(STREAMS), draw(MASKS), draw(SURFACES)
    seed, channels = draw(st.integers(0, 50)), draw(st.sampled_from([3, 4]))
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 70)), channels)
    data = encoded(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))
    said: list[Said] = [("img", stream, mask, surface, "image/png", draw(PLACES), draw(PLACES))]
    half = draw(st.integers(0, len(data)))
    said += [("blob", stream, base64.b64encode(part)) for part in (data[:half], data[half:])]
    return [*said, ("end", stream)][: draw(st.sampled_from([4, 4, 4, 2, 3]))]


@st.composite
def _filled(draw: st.DrawFn) -> list[Said]:
    surface = draw(SURFACES)
    return [draw(_rect(surface)), draw(_fill(surface))]


def _rect(surface: int) -> st.SearchStrategy[Said]:
    return st.tuples(st.just("rect"), st.just(surface), PLACES, PLACES, LENGTHS, LENGTHS)


def _fill(surface: int) -> st.SearchStrategy[Said]:
    return st.tuples(st.just("cfill"), MASKS, st.just(surface), BYTES, BYTES, BYTES, BYTES)


def _one(*parts: st.SearchStrategy[str] | st.SearchStrategy[int]) -> st.SearchStrategy[list[Said]]:
    return st.tuples(*parts).map(lambda said: [said])


ANGLES = st.sampled_from(["0", "1.5707963267948966", "3.5", "-2", "6.3", "20"])
#: a, b, c, d: a scale, a turn, a mirror, something flat.
TERMS = st.sampled_from(
    [
        ("1", "0", "0", "1"),
        ("2", "0", "0", "0.5"),
        ("0.8", "0.6", "-0.6", "0.8"),
        ("-1", "0", "0", "1"),
        ("1", "1", "1", "1"),
    ]
)
SHIFTS = st.sampled_from(["0", "3", "-7", "0.5"])


def _matrix(opcode: str, layers: st.SearchStrategy[int]) -> st.SearchStrategy[list[Said]]:
    return st.tuples(layers, TERMS, SHIFTS, SHIFTS).map(
        lambda said: [(opcode, said[0], *said[1], *said[2:])]
    )


@st.composite
def _nested(draw: st.DrawFn) -> list[Said]:
    """A fill in a stream within the stream, in two pieces, the second of which may be missing."""
    surface = draw(SURFACES)
    inner = [draw(_rect(surface)), draw(_fill(surface))]
    text = b"".join(encode(str(opcode), *args) for opcode, *args in inner)
    index, cut = draw(STREAMS), draw(st.integers(0, len(text)))
    said: list[Said] = [("nest", index, text[:cut]), ("nest", index, text[cut:])]
    return said[: draw(st.sampled_from([2, 2, 1]))]


#: What builds paths, draws them, and changes the drawing state.
PATHS = st.one_of(
    _one(st.just("start"), SURFACES, PLACES, PLACES),
    _one(st.just("line"), SURFACES, PLACES, PLACES),
    _one(
        *(st.just("arc"), SURFACES, PLACES, PLACES, st.integers(0, 40)),
        *(ANGLES, ANGLES, st.integers(0, 1)),
    ),
    _one(st.just("curve"), SURFACES, PLACES, PLACES, PLACES, PLACES, PLACES, PLACES),
    _one(st.sampled_from(["push", "push", "pop", "reset", "close"]), SURFACES),
    _one(st.sampled_from(["clip", "clip", "identity"]), SURFACES),
    _matrix("transform", SURFACES),
    _one(st.just("lfill"), MASKS, SURFACES, SURFACES),
    _one(
        *(st.just("cstroke"), MASKS, SURFACES, st.integers(0, 3), st.integers(0, 3)),
        *(st.integers(0, 9), BYTES, BYTES, BYTES, BYTES),
    ),
    _one(
        *(st.just("lstroke"), MASKS, SURFACES, st.integers(0, 2), st.integers(0, 2)),
        *(st.integers(1, 9), SURFACES),
    ),
    _one(st.just("set"), SURFACES, st.just("miter-limit"), st.sampled_from(["2", "1.5", "10"])),
)

INSTRUCTIONS = st.one_of(
    PATHS,
    PATHS,
    _matrix("distort", LAYERS),
    _nested(),
    _image(),
    _filled(),
    SURFACES.flatmap(_rect).map(lambda said: [said]),
    SURFACES.flatmap(_fill).map(lambda said: [said]),
    _one(st.just("size"), SURFACES, SIZES, SIZES),
    _one(
        *(st.just("copy"), SURFACES, PLACES, PLACES, LENGTHS, LENGTHS),
        *(MASKS, SURFACES, PLACES, PLACES),
    ),
    _one(st.just("cursor"), PLACES, PLACES, SURFACES, PLACES, PLACES, SIZES, SIZES),
    _one(st.just("move"), LAYERS, LAYERS, NUMBERS, PLACES, st.integers(-2, 2)),
    _one(
        *(st.just("transfer"), SURFACES, PLACES, PLACES, LENGTHS, LENGTHS),
        *(st.integers(0, 15), SURFACES, PLACES, PLACES),
    ),
    _one(st.just("shade"), LAYERS, BYTES),
    _one(st.just("dispose"), SURFACES),
    _one(st.just("mouse"), PLACES, PLACES),
    _one(st.just("audio"), STREAMS, st.just("audio/L16;rate=44100,channels=2")),
)

#: A display of some size, and then anything.
STREAM = st.lists(INSTRUCTIONS, max_size=40).map(
    lambda lists: [("size", 0, 100, 70), *(said for some in lists for said in some)]
)
