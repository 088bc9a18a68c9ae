"""What a hostile recording may ask for: each ends as named damage, none with memory or an error."""

from __future__ import annotations

import binascii
import resource
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction
from kasm_recd.guacamole.layers import Layers
from kasm_recd.guacamole.limits import Undrawable
from kasm_recd.guacamole.opcodes import OPCODES
from kasm_recd.guacamole.streams import ImageStream, Streams
from tests.painting import GREEN, OVER, RED, SRC, Painter, encoded, plain


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(
    "size", [(100_000, 100_000), (16_385, 1), (9_000, 9_000), (-5, 5), (2**40, 1)]
)
def test_a_size_beyond_all_displays_is_refused(size: tuple[int, int]) -> None:
    painter = Painter()
    painter.say("size", 0, *size)
    painter.say("size", -1, *size)
    painter.say("cursor", 0, 0, -2, 0, 0, *size)
    assert len(painter.refusals) == 3
    assert painter.display.size == (8, 8)


def test_an_8k_display_is_not_refused() -> None:
    painter = Painter(7680, 4320)
    painter.fill(0, (7679, 4319, 1, 1), RED)
    assert painter.display.size == (7680, 4320)
    assert painter.refusals == []


def test_ten_thousand_layers_and_buffers_cost_little() -> None:
    painter = Painter()
    before = _peak_mb()
    for index in range(1, 10_000):
        painter.fill(index, (0, 0, 8, 8), RED)
        painter.fill(-index, (0, 0, 8, 8), RED)
    assert len(painter.refusals) == limits.DAMAGES
    assert "of its kind are alive already" in painter.refusals[0]
    assert len(list(painter.display.layers)) == limits.LAYERS + limits.BUFFERS
    assert painter.pixel(0, 0) == (255, 0, 0)
    assert _peak_mb() - before < 150


def test_all_canvases_together_are_bounded() -> None:
    painter = Painter()
    for index in range(1, 10):
        painter.say("size", -index, 7680, 4320)
    assert "no room" in painter.refusals[0]
    painter.say("dispose", -1)
    count = len(painter.refusals)
    painter.say("size", -100, 7680, 4320)
    assert len(painter.refusals) == count, "the disposed buffer's room is free again"


def test_a_path_does_not_grow_for_ever() -> None:
    painter = Painter()
    for _ in range(limits.PATH_COMMANDS + 5):
        painter.say("rect", 0, 0, 0, 1, 1)
    assert len(painter.refusals) == 5
    painter.say("cfill", OVER, 0, *RED)
    assert painter.pixel(0, 0) == (255, 0, 0)


def test_image_streams_are_bounded_in_number_and_in_bytes() -> None:
    painter = Painter()
    for index in range(limits.OPEN_STREAMS + 1):
        painter.say("img", index, OVER, 0, "image/png", 0, 0)
    assert len(painter.refusals) == 1
    blob = "A" * 8_000
    for number in range(limits.STREAM_BYTES // 6_000 + 1):
        painter.say("blob", number % limits.OPEN_STREAMS, blob)
    assert "bytes" in painter.refusals[-1]


def test_a_deep_nest_of_layers_is_drawn() -> None:
    painter = Painter()
    for index in range(1, limits.LAYERS):
        painter.say("size", index, 1, 1)
        painter.say("move", index, index - 1, 0, 0, 0)
    painter.fill(limits.LAYERS - 1, (0, 0, 8, 8), GREEN)
    assert painter.pixel(3, 3) == (0, 255, 0)


def test_base64_that_is_none_ends_its_stream() -> None:
    display = Display()
    for opcode, args in (
        ("size", (b"0", b"8", b"8")),
        ("img", (b"1", b"14", b"0", b"image/png", b"0", b"0")),
        ("blob", (b"1", b"!!!")),
        ("blob", (b"1", b"AAAA")),
        ("end", (b"1",)),
    ):
        display.apply(Instruction(opcode, args, 3, 9))
    (damage,) = display.damage
    assert (damage.start, damage.end, damage.kind) == (3, 9, "unsupported")
    assert "base64" in damage.reason


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(b"ABz09+/==! "), max_size=90).map(bytes))
@example(b"QUI=")
@example(b"QUJD=")  # Python takes it, a browser does not
@example(b"QUJD" * 30 + b"\xff")
def test_a_blob_is_taken_where_a_browser_takes_it(blob: bytes) -> None:
    """``atob`` in https://infra.spec.whatwg.org/#forgiving-base64, but nothing is forgiven."""
    stream, streams = ImageStream(Layers().root, 0, 0, b"image/png"), Streams()
    streams.open(1, stream)
    try:
        expected = binascii.a2b_base64(blob, strict_mode=True) if len(blob) % 4 == 0 else None
    except binascii.Error:
        expected = None
    if expected is None:
        with pytest.raises(Undrawable, match="base64"):
            streams.receive(1, blob)
        assert not streams.images
    else:
        streams.receive(1, blob)
        assert stream.data == expected


@pytest.mark.parametrize(
    "args", [(), (b"0",), (b"x", b"1", b"2"), (b"9" * 5_000, b"1", b"2"), (b"0", b"", b"2")]
)
def test_arguments_that_are_missing_or_no_numbers_are_refused(args: tuple[bytes, ...]) -> None:
    display = Display()
    display.apply(Instruction("size", args, 0, 1))
    assert len(display.damage) == 1


def test_far_coordinates_are_drawn_without_their_distance_costing_anything() -> None:
    painter = Painter()
    far = limits.COORDINATE
    began = time.process_time()
    for _ in range(100):
        painter.fill(0, (-far, -far, 2 * far - 9, 2 * far - 9), GREEN)
        painter.say("copy", 0, -far, -far, far, far, SRC, 0, far, far)
        painter.say("move", 1, 0, far, far, far)
        painter.say("mouse", far, -far)
        painter.image(0, (far, far), encoded(plain(2, 2, RED)))
        painter.pixel(0, 0, pointer=True)
    assert time.process_time() - began < 20


_ARGUMENT = st.one_of(
    st.integers(-9, 20).map(lambda number: b"%d" % number),
    st.sampled_from([b"", b"64", b"-1", b"70000", b"x", b"AAAA", b"image/png", b"99999999999"]),
)


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(OPCODES)), st.lists(_ARGUMENT, max_size=9).map(tuple)),
        max_size=60,
    )
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_sequence_of_instructions_raises_or_breaks_the_picture(
    sequence: list[tuple[str, tuple[bytes, ...]]],
) -> None:
    painter = Painter()
    for opcode, args in sequence:
        painter.display.apply(Instruction(opcode, args, 0, 1))
    width, height = painter.display.size
    kept_up = painter.display.picture()
    assert kept_up.shape == (height, width, 3)
    for layer in painter.display.layers:
        outside = layer.words.copy()
        outside[layer.drawn.within] = 0
        assert not outside.any(), "transparent outside of what it says it has drawn"
