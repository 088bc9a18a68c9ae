"""Exact reading: lengths, limits, pieces."""

from __future__ import annotations

import pytest

from kasm_recd.contents import Damage
from kasm_recd.guacamole.instructions import Instruction, Reader, encode, read

SYNC = b"4.sync,7.4370037;"


def opcodes(*chunks: bytes) -> list[str]:
    return [found.opcode for found in read(chunks) if isinstance(found, Instruction)]


def damage(*chunks: bytes) -> list[Damage]:
    return [found for found in read(chunks) if isinstance(found, Damage)]


def test_an_instruction_has_opcode_raw_arguments_and_its_place_in_the_stream() -> None:
    first, second = read([b"4.size,1.0,4.1280,3.720;" + SYNC])
    assert first == Instruction("size", (b"0", b"1280", b"720"), 0, 24)
    assert second == Instruction("sync", (b"4370037",), 24, 24 + len(SYNC))


def test_offsets_count_from_the_recordings_beginning() -> None:
    reader = Reader(offset=1_000)
    (found,) = reader.feed(SYNC)
    assert (found.start, found.end) == (1_000, 1_000 + len(SYNC))
    (torn,) = [*reader.feed(b"4.si"), *reader.close()]
    assert (torn.start, torn.end) == (1_000 + len(SYNC), 1_000 + len(SYNC) + 4)


@pytest.mark.parametrize("sync", [b"4.sync,3.123;", b"4.sync,3.123,1.0;"])
def test_a_sync_may_have_one_argument_or_two(sync: bytes) -> None:
    assert opcodes(sync) == ["sync"]


def test_lengths_count_code_points() -> None:
    (found,) = read(["4.name,6.日本€é\U0001f600;;".encode()])
    assert isinstance(found, Instruction)
    assert found.args[0].decode() == "日本€é\U0001f600;"


def test_an_element_may_hold_dots_commas_and_semicolons() -> None:
    (found,) = read([b"4.name,11.a.b,c;d,1.x;"])
    assert isinstance(found, Instruction)
    assert found.args == (b"a.b,c;d,1.x",)


def test_empty_elements_leading_zeros_and_unknown_opcodes_are_read() -> None:
    assert opcodes(b"0.;", b"00004.sync,003.123;", b"6.future,0.,1.x;") == ["", "sync", "future"]


@pytest.mark.parametrize(
    "limit",
    [
        encode("name", "x" * 8_192),
        encode("name", "本" * 8_192),
        encode("name", "x" * 8_192, "x" * 8_192, "x" * 8_192, "x" * 8_000),
        encode("x", *range(127)),
    ],
    ids=["characters", "wide characters", "bytes", "elements"],
)
def test_what_libguac_can_just_read_is_read(limit: bytes) -> None:
    assert not damage(limit, SYNC)


@pytest.mark.parametrize(
    ("beyond", "reason"),
    [
        (b"4.name,99999." + b"x" * 8_193 + b";", "over 8,192 characters"),
        (b"4.name,000004.abcd;", "not begin with its length"),
        (b"4.name,8193." + b"x" * 8_193 + b";", "over 8,192 characters"),
        (b"1.x" + b",1.x" * 128 + b";", "more than 128 elements"),
        (b"4.name" + (b",4000." + b"x" * 4_000) * 9 + b";", "over 32,768 bytes"),
        (b"4.name,6200." + "\U0001f600".encode() * 6_200 + b",8192." + b"y" * 20_000, "over 32,7"),
    ],
)
def test_what_libguac_cannot_read_is_damage(beyond: bytes, reason: str) -> None:
    found = damage(SYNC, beyond, SYNC, SYNC)
    assert len(found) == 1
    assert reason in found[0].reason
    assert (found[0].start, found[0].end) == (len(SYNC), len(SYNC) + len(beyond))


@pytest.mark.parametrize(
    "malformed",
    [
        b".sync,3.123;",
        b";",
        b"4sync;",
        b"3.sync,3.123;",
        b"4.sync:3.123;",
        b"-4.sync;",
        b" ",
        b"\n",
    ],
)
def test_a_malformed_instruction_costs_itself(malformed: bytes) -> None:
    found = list(read([SYNC, malformed, b"3.end,1.0;", SYNC]))
    assert [item.end - item.start for item in found] == [
        *(len(SYNC), len(malformed), len(b"3.end,1.0;"), len(SYNC))
    ]
    assert isinstance(found[1], Damage)
    assert found[1].kind == "invalid"


def test_encode_writes_what_guacd_writes() -> None:
    assert encode("size", 0, 1280, "720") == b"4.size,1.0,4.1280,3.720;"
    assert encode("name", "日本", b"\xc3\xa9") == "4.name,2.日本,1.é;".encode()


@pytest.mark.parametrize(
    "values",
    [("x" * 8_193,), (b"\xe6",), ("a\0b",), tuple(range(128)), ("本" * 8_192,) * 2],
    ids=["long", "no text", "NUL", "many", "large"],
)
def test_encode_refuses_what_no_reader_could_read(values: tuple[str | bytes | int, ...]) -> None:
    with pytest.raises(ValueError, match=r"name|codec"):
        encode("name", *values)


def test_the_end_of_a_long_instruction_is_awaited_without_framing_it_again_and_again() -> None:
    reader = Reader()
    blob = encode("blob", 0, "A" * 8_000)
    tries = 0
    read_buffer = reader._read

    def counted(found: list[Instruction | Damage]) -> None:
        nonlocal tries
        tries += 1
        read_buffer(found)

    reader._read = counted  # type: ignore[method-assign]
    found = [item for byte in blob for item in reader.feed(bytes([byte]))]
    assert len(found) == 1
    assert tries < 20
