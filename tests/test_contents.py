"""What a segment holds, folded from its instructions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kasm_recd.contents import Contents, contents_from_json, contents_to_json
from kasm_recd.guacamole.contents import MAX_DAMAGE, summarise
from kasm_recd.guacamole.instructions import encode, read

NOW = 4_370_037
SIZE = encode("size", 0, 1280, 720)
FILL = encode("cfill", 14, 0, 0, 0, 0, 255)


def sync(ms: int) -> bytes:
    return encode("sync", NOW + ms, 1)


def contents(*parts: bytes) -> Contents:
    return summarise(read(parts))


def test_a_plain_recording() -> None:
    found = contents(SIZE, sync(0), FILL, sync(400), sync(5_400), sync(5_500))
    assert found == Contents(
        first_sync=NOW,
        last_sync=NOW + 5_500,
        sync_count=4,
        longest_gap_ms=5_000,
        width=1280,
        height=720,
        drawn=True,
        end_width=1280,
        end_height=720,
    )
    assert not found.empty


def test_nothing_at_all_is_empty() -> None:
    assert contents() == Contents()
    assert contents().empty


def test_the_size_is_the_displays_first_that_is_not_zero() -> None:
    found = contents(
        encode("size", 0, 0, 0),
        encode("size", -1, 5, 5),
        encode("size", 1, 6, 6),
        encode("size", 0, 0, 600),
        encode("size", 0, "x", 600),
        encode("size", 0),
        encode("size", 0, 99_999_999, 8),
        encode("size", 0, 800, 600),
        SIZE,
    )
    assert (found.width, found.height) == (800, 600)


@pytest.mark.parametrize(
    ("drawing", "drawn"),
    [
        (FILL, True),
        (encode("img", 1, 14, 0, "image/png", 0, 0), True),
        (encode("img", 1, 14, 2, "image/png", 0, 0), True),
        (encode("img", 1, 14, -3, "image/png", 0, 0), False),
        (encode("copy", 0, 0, 0, 9, 9, 14, -1, 0, 0), False),
        (encode("copy", -1, 0, 0, 9, 9, 14, 0, 0, 0), True),
        (encode("cfill", 14), False),
        (encode("rect", 0, 0, 0, 9, 9), False),
        (encode("mouse", 1, 2, 0, NOW), False),
    ],
)
def test_only_what_is_drawn_on_a_layer_shows(drawing: bytes, drawn: bool) -> None:
    found = contents(SIZE, drawing, sync(0))
    assert found.drawn is drawn
    assert found.empty is not drawn


def test_keys_and_sound_are_named() -> None:
    assert contents(encode("key", 65, 1, NOW)).contains_keys
    assert contents(encode("audio", 1, "audio/L16")).contains_audio
    assert not contents(FILL).contains_keys
    assert not contents(FILL).contains_audio


def test_the_last_sync_is_the_latest_where_timestamps_fall_back_a_little() -> None:
    found = contents(sync(0), sync(500), sync(460))
    assert (found.last_sync, found.sync_count) == (NOW + 500, 3)


@pytest.mark.parametrize("ms", [10**12, 26 * 3_600_000, -2_000_000])
def test_a_sync_that_leaps_is_damage_and_no_end(ms: int) -> None:
    found = contents(sync(0), sync(100), sync(ms), sync(200))
    assert (found.first_sync, found.last_sync) == (NOW, NOW + 200)
    assert (found.sync_count, found.longest_gap_ms) == (3, 100)
    (leap,) = found.damage
    assert leap.kind == "invalid"
    assert "leaps" in leap.reason


def test_the_end_is_where_time_went_on_after_a_leap_within_a_day() -> None:
    leap = 7_200_000
    assert contents(sync(0), sync(1), sync(leap)).last_sync == NOW + leap
    found = contents(sync(0), sync(1), sync(leap), sync(2), sync(3))
    assert found.last_sync == NOW + 3
    assert [place.reason for place in found.damage] == [f"a sync that leaps to {NOW + 2}"]


def test_a_wrong_first_sync_is_not_the_beginning() -> None:
    found = contents(encode("sync", 10**14), sync(0), sync(100), sync(200))
    assert (found.first_sync, found.last_sync) == (NOW + 100, NOW + 200)
    assert (found.sync_count, found.longest_gap_ms) == (2, 100)


def test_doubtful_instructions_in_a_row_are_one_damaged_place() -> None:
    found = contents(sync(0), b"??", FILL, FILL, SIZE, sync(1), FILL)
    start = len(sync(0))
    assert [(place.start, place.end, place.kind) for place in found.damage] == [
        (start, start + 2, "invalid"),
        (start + 2, start + 2 + len(FILL + FILL + SIZE), "doubtful"),
    ]


def test_damage_that_touches_is_one_place() -> None:
    leaps = [sync(10**12 + n) for n in (0, 10**11, 10**10)]
    found = contents(sync(0), *leaps, sync(1))
    assert [(place.start, place.end) for place in found.damage] == [
        (len(sync(0)), len(sync(0)) + sum(map(len, leaps)))
    ]


def test_many_damaged_places_are_bounded_and_the_last_entry_stands_for_the_rest() -> None:
    parts = [part for n in range(1_500) for part in (sync(n), b"?")]
    found = contents(*parts, sync(1_500)).damage
    assert len(found) == MAX_DAMAGE + 1
    assert found[MAX_DAMAGE].reason == "500 more damaged places"
    assert found[MAX_DAMAGE].start > found[MAX_DAMAGE - 1].end
    assert found[MAX_DAMAGE].end == sum(map(len, parts))


def test_contents_come_back_from_json() -> None:
    found = contents(SIZE, sync(0), FILL, b"??", FILL, sync(1), b"4.si")
    assert len(found.damage) == 3
    plain = contents_to_json(found)
    assert contents_from_json(json.loads(json.dumps(plain))) == found
    assert plain["damage"][2] == {
        "start": found.damage[2].start,
        "end": found.damage[2].end,
        "kind": "torn",
        "reason": found.damage[2].reason,
    }
    assert contents_from_json({}) == Contents()


@pytest.mark.parametrize(
    "plain", [{"colour": 1}, {"damage": [{"start": 1}]}, {"damage": 5}, [], None, "{}"]
)
def test_contents_of_another_shape_are_refused(plain: Any) -> None:
    with pytest.raises(TypeError):
        contents_from_json(plain)
