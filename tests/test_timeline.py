"""Which timestamps are believed."""

from __future__ import annotations

import pytest

from kasm_recd.guacamole.timeline import MAX_TIMESTAMP, Timeline, timestamp_of

HOUR = 3_600_000
NOW = 100 * HOUR


def believed(*timestamps: int) -> list[int]:
    timeline = Timeline()
    return [timestamp for timestamp in timestamps if timeline.believe(timestamp)]


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        (b"0", 0),
        (b"0123", 123),
        (b"%d" % MAX_TIMESTAMP, MAX_TIMESTAMP),
        (b"%d" % (MAX_TIMESTAMP + 1), None),
        (b"1" * 5_000, None),
        (b"", None),
        (b"-1", None),
        (b"1.5", None),
        ("²".encode(), None),
    ],
)
def test_a_timestamp_is_a_plain_number_of_milliseconds(text: bytes, timestamp: int | None) -> None:
    assert timestamp_of(text) == timestamp


def test_time_may_stand_still_fall_back_a_little_and_pause_for_a_day() -> None:
    honest = [NOW, NOW, NOW - 40, NOW + 1_000, NOW + 9 * HOUR, NOW + 33 * HOUR]
    assert believed(*honest) == honest


@pytest.mark.parametrize("leap", [NOW + 25 * HOUR, NOW * 1_000, MAX_TIMESTAMP, NOW - HOUR, 0])
def test_a_leap_costs_itself_and_nothing_after_it(leap: int) -> None:
    assert believed(NOW, NOW + 1, leap, NOW + 2, NOW + 3) == [NOW, NOW + 1, NOW + 2, NOW + 3]


def test_two_in_agreement_show_that_a_desktop_was_left_alone_for_days() -> None:
    later = NOW + 70 * HOUR
    assert believed(NOW, NOW + 1, later, later + 5, later + 6) == [
        *(NOW, NOW + 1, later + 5, later + 6)
    ]


def test_not_even_many_in_agreement_show_that_a_month_went_by() -> None:
    later = NOW + 31 * 24 * HOUR
    assert believed(NOW, NOW + 1, *range(later, later + 50)) == [NOW, NOW + 1]


def test_time_does_not_go_back_to_before_the_recording_began() -> None:
    older = range(NOW - 9 * HOUR, NOW - 9 * HOUR + 50)
    assert believed(NOW, NOW + 1, *older, NOW + 2) == [NOW, NOW + 1, NOW + 2]


def test_time_goes_back_where_a_leap_within_a_day_was_believed_before() -> None:
    assert believed(NOW, NOW + 1, NOW + 2 * HOUR, NOW + 2, NOW + 3, NOW + 4) == [
        *(NOW, NOW + 1, NOW + 2 * HOUR, NOW + 3, NOW + 4)
    ]


@pytest.mark.parametrize("first", [0, MAX_TIMESTAMP])
def test_a_wrong_first_one_is_outvoted_by_the_next_two(first: int) -> None:
    assert believed(first, NOW, NOW + 1, NOW + 2) == [first, NOW + 1, NOW + 2]


def test_right_after_damage_an_hour_is_the_limit() -> None:
    timeline = Timeline()
    assert timeline.near(NOW)
    timeline.believe(NOW)
    assert [timeline.near(NOW + ms) for ms in (-HOUR, -1, 0, HOUR, HOUR + 1)] == [
        *(False, True, True, True, False)
    ]
