"""Whatever comes, in whatever pieces: nothing is lost, nothing is told twice, nothing raises."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kasm_recd.contents import Damage
from kasm_recd.guacamole import framing
from kasm_recd.guacamole.framing import MAX_BYTES, Incomplete, Malformed, frame
from kasm_recd.guacamole.instructions import Instruction, Reader, encode, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kasm_recd.guacamole.framing import Framed

NOW = 4_370_037

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
whole = st.one_of(
    st.builds(lambda ms: encode("sync", NOW + ms, 1), st.integers(-10_000, 10_000_000_000)),
    st.builds(lambda x: encode("rect", 0, x, x, 8, 8), st.integers(0, 2_000)),
    st.builds(lambda n: encode("blob", 1, "QUJD" * n), st.integers(0, 300)),
    st.builds(lambda text: encode("name", text), texts),
    st.just(encode("end", 1)),
)
broken = st.one_of(
    st.binary(max_size=40),
    st.integers(1, 300).map(bytes),
    st.builds(lambda n, text: b"4.name,%d.%s;" % (n, text), st.integers(0, 40), st.binary()),
    st.sampled_from(
        [
            *(b"4.blob,1.1,4.8000", b"4.blob,1.1,300.", b"4.name,9.", b"4.syn", b"4.sync,", b"7"),
            *(b"4.name,3.\xe6\x97\xa5\xe6;", b"4.name,40.;4.sync,7.4370038;\xe6", b"4.name,99999."),
            *(b"4.name,8192.\x80\x80\x80\x80", "4.name,20.日本語".encode(), b"9.", b"0004.sync,1"),
        ]
    ),
    whole.flatmap(lambda piece: st.integers(0, len(piece)).map(lambda n: piece[:n])),
    whole.flatmap(lambda piece: st.integers(0, len(piece)).map(lambda n: piece[n:])),
)
streams = st.lists(st.one_of(whole, broken), max_size=25).map(b"".join)


def in_pieces(stream: bytes, sizes: list[int]) -> Iterable[bytes]:
    position = 0
    for size in sizes:
        yield stream[position : position + size]
        position += size
    yield stream[position:]


@settings(max_examples=300, deadline=None)
@given(streams, st.lists(st.integers(0, 60), max_size=60))
@example(b"3.end,1.1;\0" + b"4.syn" + b"4.sync,3.123;", [11, 1, 1, 1, 1])
@example(b"4.name,8192." + "本".encode() * 8_192 + b";", [4_000, 9_000])
def test_any_pieces_give_the_same_instructions_and_damage(stream: bytes, sizes: list[int]) -> None:
    assert list(read(in_pieces(stream, sizes))) == list(read([stream]))


@settings(max_examples=40, deadline=None)
@given(streams)
def test_single_bytes_give_the_same_instructions_and_damage(stream: bytes) -> None:
    assert list(read(bytes([byte]) for byte in stream)) == list(read([stream]))


@settings(max_examples=300, deadline=None)
@given(st.one_of(streams, st.binary(max_size=2_000)), st.integers(0, 10**15))
def test_every_byte_belongs_to_one_instruction_or_one_damaged_place(
    stream: bytes, offset: int
) -> None:
    reader = Reader(offset=offset)
    position = offset
    for found in (*reader.feed(stream), *reader.close()):
        assert found.start == position
        assert found.end > found.start
        position = found.end
    assert position == offset + len(stream)


@settings(max_examples=200, deadline=None)
@given(streams)
def test_what_is_left_without_the_damage_is_in_step(stream: bytes) -> None:
    sound = [found for found in read([stream]) if isinstance(found, Instruction)]
    mended = b"".join(stream[found.start : found.end] for found in sound)
    again = without_syncs(read([mended]))
    assert said(again) == said(without_syncs(sound))
    assert not any(isinstance(found, Damage) for found in again)


@settings(max_examples=150, deadline=None)
@given(st.lists(whole, max_size=20), broken, st.lists(whole, min_size=1, max_size=20))
def test_damage_leaves_all_before_it_alone_and_ends_within_one_instructions_reach(
    before: list[bytes], damage: bytes, after: list[bytes]
) -> None:
    head, gap = b"".join(before), encode("blob", 1, "QUJD" * 2_000) * (2 * MAX_BYTES // 8_000)
    end = len(head + damage + gap)
    found = without_syncs(read([head, damage, gap, *after]))
    untouched = without_syncs(read([head]))
    assert found[: len(untouched)] == untouched
    assert said(item for item in found if item.start >= end) == said(without_syncs(read(after)))


def without_syncs(stream: Iterable[Instruction | Damage]) -> list[Instruction | Damage]:
    """All but each ``sync``, believed or not: that depends on the others."""
    return [
        found
        for found in stream
        if ("sync" not in found.reason if isinstance(found, Damage) else found.opcode != "sync")
    ]


def said(stream: Iterable[Instruction | Damage]) -> list[tuple[str, tuple[bytes, ...]]]:
    """What instructions say, wherever they stand."""
    return [(found.opcode, found.args) for found in stream if isinstance(found, Instruction)]


@given(st.lists(st.tuples(texts, st.lists(texts, max_size=5)), max_size=10))
@settings(max_examples=150, deadline=None)
def test_what_was_encoded_is_read_again(calls: list[tuple[str, list[str]]]) -> None:
    calls = [call for call in calls if call[0] not in {"sync", "blob"}]
    found = list(read(encode(opcode, *args) for opcode, args in calls))
    assert not any(isinstance(item, Damage) or item.doubtful for item in found)
    assert [(opcode, [arg.decode() for arg in args]) for opcode, args in said(found)] == calls


blobs = st.builds(
    lambda index, length, data, end: b"4.blob,%s,%s.%s%s" % (index, length, data, end),
    st.sampled_from([b"1.0", b"1.9", b"2.63", b"3.128", b"1.63", b"2.6", b"1.-", b"1.\xc3\xa9"]),
    st.sampled_from([b"4", b"8", b"04", b"00008", b"0", b"5", b"8193", b"99999", b"-4"]),
    st.one_of(
        st.sampled_from([b"QUJD", b"QUJDQQ==", b"QUJD,1.1", b"Q;JD", b"Q\0JD", b"", b"A" * 8_193]),
        st.binary(max_size=9),
    ),
    st.sampled_from([b";", b",", b",1.7;", b"", b"x", b";4.sync,1.1;", b";;"]),
)


@settings(max_examples=2_000, deadline=None)
@given(blobs)
@example(b"4.blob,1.0,4.QUJD;")
@example(b"4.blob,2.63,8.QUJDQQ==;4.")
@example(b"4.blob,1.0,8193." + b"A" * 8_193 + b";")
def test_the_short_way_for_blobs_tells_what_the_long_one_does(stream: bytes) -> None:
    def told(way: Callable[[], Framed]) -> Framed | tuple[type[Exception], object]:
        try:
            return way()
        except (Malformed, Incomplete) as verdict:
            return type(verdict), vars(verdict)

    both = [told(lambda: frame(stream, 0))]
    with patch.object(framing, "_blob", return_value=None):
        both.append(told(lambda: frame(stream, 0)))
    assert both[0] == both[1]
