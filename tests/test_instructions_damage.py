"""Past damage: what is lost, what is doubted, and where reading resumes."""

from __future__ import annotations

import pytest

from kasm_recd.contents import Damage
from kasm_recd.guacamole.framing import Framed, Malformed, end_of_title, frame
from kasm_recd.guacamole.instructions import TITLE_BYTES, Instruction, Reader, encode, read

NOW = 4_370_037
SYNC = encode("sync", NOW, 1)
RECT = encode("rect", 0, 10, 20, 30, 40)
BLOB = encode("blob", 1, "QUJD" * 1_500)


def split(*parts: bytes) -> tuple[list[Instruction], list[Damage]]:
    found = list(read(parts))
    instructions = [item for item in found if isinstance(item, Instruction)]
    return instructions, [item for item in found if isinstance(item, Damage)]


def doubted(instructions: list[Instruction]) -> list[tuple[str, bool]]:
    return [(item.opcode, item.doubtful) for item in instructions]


def title(text: bytes, claimed: int) -> bytes:
    """A title as guacd writes one that a byte 0x9C ended, with the length that it claims."""
    return b"4.name,%d.%s;" % (claimed, text)


@pytest.mark.parametrize(
    ("text", "claimed"),
    [
        ("日".encode() + b"\xe6", 2),
        ("日".encode() + b"\xe6\x9c", 2),
        (b"ab\xf0\x9f", 3),
        (b"\xf0\x9f\x98", 1),
        (b"caf\xe9", 4),
        (b"\xe9ab and \xa9", 7),
        (b"\xc3", 1),
    ],
)
def test_a_title_that_guacd_cut_inside_a_character_costs_only_itself(
    text: bytes, claimed: int
) -> None:
    name = title(text, claimed)
    instructions, damage = split(SYNC, name, RECT, SYNC, RECT)
    assert [(place.start, place.end) for place in damage] == [(len(SYNC), len(SYNC + name))]
    assert doubted(instructions) == [
        *(("sync", False), ("rect", True), ("sync", False), ("rect", False))
    ]


@pytest.mark.parametrize("last", [b"\xe6", b"\xe6\x9c", b"\xc3", b"\xe9ab\xe6", b"\x80\xe6"])
def test_a_title_cannot_smuggle_instructions_in(last: bytes) -> None:
    smuggled = b"x;" + encode("sync", NOW + 3_000_000) + encode("size", 0, 30_000, 30_000)
    text = smuggled + last
    claimed = len(smuggled) + {b"\xe9ab\xe6": 2, b"\x80\xe6": 2}.get(last, 1)
    instructions, damage = split(SYNC, title(text, claimed), RECT, SYNC)
    assert [item.opcode for item in instructions] == ["sync", "rect", "sync"]
    assert len(damage) == 1


def test_what_a_broken_instruction_laid_claim_to_stays_doubtful_whatever_it_says() -> None:
    smuggled = encode("sync", NOW + 1_000) + RECT
    broken = b"4.file,1.1,3.a/b,200." + smuggled + b"\xff" + b"x" * 300
    instructions, _ = split(SYNC, broken, RECT, SYNC, RECT)
    assert doubted(instructions)[1:] == [
        *(("sync", True), ("rect", True), ("rect", True), ("sync", False), ("rect", False))
    ]


def test_a_sync_that_leaps_is_not_believed_after_damage() -> None:
    leap = encode("sync", NOW + 2 * 3_600_000)
    instructions, damage = split(SYNC, b"junk", leap, RECT, leap, RECT, SYNC, RECT)
    assert doubted(instructions) == [
        *(("sync", False), ("rect", True), ("rect", True), ("sync", False), ("rect", False))
    ]
    assert [place.end - place.start for place in damage] == [len(b"junk" + leap), len(leap)]


def test_a_desktop_that_was_idle_for_hours_is_believed_again_beyond_a_titles_reach() -> None:
    later = [encode("sync", NOW + 5 * 3_600_000 + 40 * n) for n in range(300)]
    instructions, _ = split(SYNC, b"junk", RECT, *later, RECT)
    assert instructions[-1] == instructions[-1]._replace(opcode="rect", doubtful=False)
    assert sum(item.opcode == "sync" for item in instructions) > 50


def test_a_torn_write_costs_the_torn_instruction_and_what_the_disk_lost() -> None:
    instructions, damage = split(SYNC, BLOB[:3_000], RECT, SYNC, BLOB, SYNC)
    assert [item.opcode for item in instructions] == ["sync", "rect", "sync", "blob", "sync"]
    assert [(place.start, place.end) for place in damage] == [(len(SYNC), len(SYNC) + 3_000)]


@pytest.mark.parametrize("lost", range(2_000, 2_000 + len(RECT)))
def test_a_torn_blob_never_swallows_instructions_even_where_its_length_seems_to_fit(
    lost: int,
) -> None:
    flood = RECT * 400
    instructions, damage = split(SYNC, BLOB[:lost], flood, SYNC)
    assert len(damage) == 1
    assert [item.opcode for item in instructions] == ["sync", *["rect"] * 400, "sync"]


def test_a_write_that_began_anew_inside_an_instruction_costs_the_rest_of_it() -> None:
    instructions, damage = split(SYNC, BLOB[4_000:], RECT, SYNC)
    assert [item.opcode for item in instructions] == ["sync", "rect", "sync"]
    assert damage[0].end == len(SYNC) + len(BLOB) - 4_000


@pytest.mark.parametrize("length", [1, 4_096, 200_000])
def test_a_run_of_nul_bytes_is_one_damaged_place(length: int) -> None:
    instructions, damage = split(SYNC, b"\0" * length, RECT, SYNC)
    assert [item.opcode for item in instructions] == ["sync", "rect", "sync"]
    assert [(place.start, place.end) for place in damage] == [(len(SYNC), len(SYNC) + length)]


def test_a_hole_inside_a_blob_or_a_text_is_damage_though_the_length_is_right() -> None:
    holed = BLOB[:100] + b"\0" * 1_000 + BLOB[1_100:]
    instructions, damage = split(SYNC, holed, b"3.log,3.a\0b;", RECT, SYNC)
    assert [item.opcode for item in instructions] == ["sync", "rect", "sync"]
    assert damage[0].reason == "a blob that is not base64"


def test_garbage_at_the_start_is_damage_and_doubt_lasts_to_the_first_sync() -> None:
    instructions, damage = split(BLOB[5_000:], RECT, SYNC, RECT)
    assert doubted(instructions) == [("rect", True), ("sync", False), ("rect", False)]
    assert damage[0].start == 0


def test_a_torn_tail_is_damage_of_its_own_kind() -> None:
    for length in range(1, len(RECT)):
        instructions, damage = split(SYNC, RECT[:length])
        assert [item.opcode for item in instructions] == ["sync"]
        assert damage == [
            Damage(len(SYNC), len(SYNC) + length, "torn", "an instruction that does not end")
        ]


def test_what_a_broken_length_reaches_over_to_the_end_is_still_read() -> None:
    name = encode("name", "x" * 3_000)[:20]
    instructions, damage = split(SYNC, name, RECT, SYNC)
    assert doubted(instructions) == [("sync", False), ("rect", True), ("sync", True)]
    assert [(place.end, place.kind) for place in damage] == [(len(SYNC) + 20, "invalid")]


def test_only_known_opcodes_with_enough_arguments_are_resumed_at() -> None:
    instructions, damage = split(SYNC, b"?", b"6.future,1.1;", b"4.rect,1.0;", RECT, SYNC)
    assert [item.opcode for item in instructions] == ["sync", "rect", "sync"]
    assert damage[0].end == len(SYNC) + len(b"?6.future,1.1;4.rect,1.0;")


@pytest.mark.parametrize("argument", ["", "-5", "12x", "1" * 17, "٣"])
def test_a_sync_without_a_timestamp_is_damage(argument: str) -> None:
    instructions, damage = split(SYNC, encode("sync", argument), SYNC)
    assert len(instructions) == 2
    assert [place.reason for place in damage] == ["a sync without a timestamp"]


def test_a_sync_in_the_far_future_is_damage_and_time_goes_on_where_it_was() -> None:
    instructions, damage = split(SYNC, encode("sync", NOW * 1_000_000), RECT, SYNC)
    assert doubted(instructions) == [("sync", False), ("rect", False), ("sync", False)]
    assert len(damage) == 1


def test_memory_stays_bounded_by_one_instruction_whatever_comes() -> None:
    hostile = [
        b"4.name,8192.",
        b"4.blob,1.0,8000.",
        b"4.sync,",
        b"\0",
        b"\x80",
        "\U0001f600".encode(),
        b"9",
        b"4.name,4000.\xf0",
    ]
    for pattern in hostile:
        reader = Reader()
        for _ in range(20):
            list(reader.feed(pattern * (16_384 // len(pattern))))
            assert len(reader._buffer) <= 65_536


def test_the_tries_on_hostile_bytes_grow_with_their_number_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = 0

    def counted(buffer: bytes, at: int, most: int) -> Framed:
        nonlocal tries
        tries += 1
        return frame(buffer, at, most)

    monkeypatch.setattr("kasm_recd.guacamole.instructions.frame", counted)
    for pattern in (b"4.blob,1.0,8000.", b"4.sync,", b"3.end,1.0;x", b"4.name,4095.\xc3"):
        tries = 0
        hostile = pattern * (200_000 // len(pattern))
        list(read(hostile[n : n + 1_000] for n in range(0, len(hostile), 1_000)))
        assert tries <= 2 * len(hostile) // len(pattern) + 400


def test_malformed_titles_are_measured_no_more_often_than_the_longest_one_fits_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = 0

    def counted(buffer: bytes, start: int) -> int | None:
        nonlocal measured
        measured += 1
        return end_of_title(buffer, start)

    monkeypatch.setattr("kasm_recd.guacamole.instructions.end_of_title", counted)
    hostile = b"3.end,1.0;4.name,4095.\xc3" * 8_000
    list(read([hostile]))
    assert 10 < measured <= len(hostile) // TITLE_BYTES + 1


def test_a_text_of_continuation_bytes_is_given_up_at_once() -> None:
    with pytest.raises(Malformed, match="UTF-8"):
        frame(b"4.name,8000." + b"\xc3\xa9" * 7_990 + b"\x80" * 100, 0)
