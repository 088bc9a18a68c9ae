"""How short room is, and whose turn it is then: functions of values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kasm_recd.pressure import Level, Marks, Turn, Work, cut_size, turn

MB = 10**6
MARKS = Marks.of(min_free=500 * MB, segment_size=150 * MB, total=100_000 * MB)
WORK = Work(backlog=0, slots=2, uploads=0, store_answers=True, raw_allowed=True)


def test_near_is_one_segment_above_the_floor_and_a_quarter_of_a_small_disk_at_most() -> None:
    assert Marks(near=650 * MB, floor=500 * MB) == MARKS
    assert Marks.of(min_free=4 * MB, segment_size=150 * MB, total=40 * MB).near == 10 * MB
    assert Marks.of(min_free=20 * MB, segment_size=150 * MB, total=40 * MB).near == 20 * MB


@pytest.mark.parametrize(
    ("available", "level"),
    [
        (650 * MB, Level.EASY),
        (650 * MB - 1, Level.NEAR),
        (500 * MB, Level.NEAR),
        (500 * MB - 1, Level.SHORT),
        (250 * MB - 1, Level.DIRE),
        (0, Level.DIRE),
    ],
)
def test_each_level_begins_below_its_mark(available: int, level: Level) -> None:
    assert MARKS.level(available, Level.EASY) is level


def test_a_level_is_left_only_with_room_to_spare() -> None:
    assert MARKS.level(510 * MB, Level.SHORT) is Level.SHORT
    assert MARKS.level(563 * MB, Level.SHORT) is Level.NEAR
    assert MARKS.level(651 * MB, Level.NEAR) is Level.NEAR
    assert MARKS.level(732 * MB, Level.DIRE) is Level.EASY
    assert Marks(0, 0).level(0, Level.EASY) is Level.EASY, "no room is wanted, none is missed"


def test_cuts_come_earlier_and_never_smaller_than_a_megabyte() -> None:
    assert [cut_size(160 * MB, level) for level in Level] == [160 * MB, 40 * MB, 20 * MB, 20 * MB]
    assert cut_size(2 * MB, Level.SHORT) == MB
    assert cut_size(MB // 2, Level.SHORT) == MB // 2


def test_above_the_marks_nothing_changes() -> None:
    busy = replace(WORK, backlog=100, uploads=100, store_answers=False)
    for owed in (False, True):
        assert turn(Level.EASY, busy, owed=owed) is Turn.ENCODE


@pytest.mark.parametrize(
    ("level", "changes", "expected"),
    [
        (Level.NEAR, {}, Turn.ENCODE),
        (Level.NEAR, {"uploads": 1}, Turn.WAIT),
        (Level.NEAR, {"backlog": 2}, Turn.ENCODE),
        (Level.NEAR, {"backlog": 3, "uploads": 1}, Turn.RAW),
        (Level.SHORT, {}, Turn.RAW),
        (Level.DIRE, {"uploads": 1}, Turn.RAW),
        # The store does not answer: nothing gains room, so clips are made while there is some.
        (Level.NEAR, {"store_answers": False, "backlog": 9, "uploads": 1}, Turn.ENCODE),
        (Level.SHORT, {"store_answers": False}, Turn.WAIT),
        # raw_upload = never holds under pressure too: clips alone make room, so they are made.
        (Level.NEAR, {"raw_allowed": False, "backlog": 9}, Turn.ENCODE),
        (Level.DIRE, {"raw_allowed": False, "uploads": 1}, Turn.WAIT),
        (Level.DIRE, {"raw_allowed": False}, Turn.ENCODE),
        (Level.DIRE, {"raw_allowed": False, "store_answers": False}, Turn.ENCODE),
    ],
)
def test_whose_turn_it_is_while_room_is_short(
    level: Level, changes: dict[str, bool | int], expected: Turn
) -> None:
    work = replace(WORK, **changes)  # type: ignore[arg-type]
    assert turn(level, work, owed=False) is expected


@pytest.mark.parametrize("level", [Level.NEAR, Level.SHORT])
def test_a_clip_that_is_owed_is_made_when_nothing_else_is_to_do(level: Level) -> None:
    assert turn(level, WORK, owed=True) is Turn.ENCODE
    assert turn(level, replace(WORK, uploads=1), owed=True) is Turn.WAIT
    assert turn(level, replace(WORK, backlog=1), owed=True) is Turn.WAIT
    assert turn(Level.DIRE, WORK, owed=True) is Turn.WAIT, "it is waived"
