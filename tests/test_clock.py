from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd import clock
from kasm_recd.clock import Clock, Scale

# A machine that booted at Unix time 1,000,000: its monotonic clock reads 0 there.
OFFSET = 1_000_000.0
BORN = 1_000_500  # Unix seconds


def is_local(*, first: float, last: float, seen: float, birth: float = BORN) -> bool:
    """All in Unix seconds on that machine."""
    return clock.is_local(
        Scale(((0.0, OFFSET),)),
        birth_ns=round(birth * 1e9),
        first_sync=round((first - OFFSET) * 1000),
        last_sync=round((last - OFFSET) * 1000),
        last_seen_at=seen,
    )


def test_a_reading_adds_up_and_names_this_boot() -> None:
    reading = Clock().now()

    assert reading.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert reading.offset_s + reading.monotonic_ms / 1000 == pytest.approx(
        reading.realtime, abs=0.01
    )
    assert reading.offset_s == pytest.approx(time.time() - time.monotonic(), abs=1)


def test_the_offset_is_what_lies_between_the_clocks(tmp_path: Path) -> None:
    (tmp_path / "boot_id").write_text("4f6c\n")
    fixed = Clock(
        realtime=lambda: 1_000_042.5, monotonic=lambda: 42.5, boot_id=tmp_path / "boot_id"
    )

    reading = fixed.now()

    assert (reading.offset_s, reading.monotonic_ms, reading.boot_id) == (1e6, 42_500, "4f6c")


def test_a_recording_stamped_between_birth_and_last_sight_is_local() -> None:
    assert is_local(first=BORN, last=BORN + 60, seen=BORN + 60)


def test_stamps_from_before_the_file_was_born_are_of_another_clock() -> None:
    assert is_local(first=BORN - 4.9, last=BORN + 1, seen=BORN + 2)
    assert not is_local(first=BORN - 5.1, last=BORN + 1, seen=BORN + 2)


def test_stamps_from_after_the_last_sight_are_of_another_clock() -> None:
    assert is_local(first=BORN, last=BORN + 61.9, seen=BORN + 60)
    assert not is_local(first=BORN, last=BORN + 62.1, seen=BORN + 60)


def test_a_recording_that_was_copied_here_is_not_local() -> None:
    copied_at = BORN + 3_600
    assert not is_local(first=BORN, last=BORN + 60, birth=copied_at, seen=copied_at + 5)


def test_without_a_birth_time_nothing_is_proved() -> None:
    assert not is_local(first=BORN, last=BORN + 60, seen=BORN + 60, birth=0)


#: From second 100 of the monotonic clock on an hour more, from 300 on an hour less than at first.
STEPS = Scale(((0.0, OFFSET), (100.0, OFFSET + 3_600), (300.0, OFFSET - 3_600)))


def test_a_timestamp_counts_by_what_the_wall_clock_showed_then() -> None:
    assert STEPS.wall(99_999) == OFFSET + 99.999
    assert STEPS.wall(100_000) == OFFSET + 3_700
    assert STEPS.wall(300_500) == OFFSET - 3_600 + 300.5
    assert Scale(((50.0, OFFSET),)).wall(10_000) == OFFSET + 10, "before the first note"


def test_a_wall_time_is_found_again_twice_where_the_clock_was_set_back() -> None:
    for moment in (10, 150, 500):
        assert moment in STEPS.moments(STEPS.wall(moment * 1_000))
    back = Scale(((0.0, OFFSET), (100.0, OFFSET - 50)))
    assert back.moments(OFFSET + 40) == [40.0, 90.0], "what was set is noted a little later"
    assert back.moments(OFFSET + 80) == [80.0, 130.0]
    assert back.moments(OFFSET + 101) == [151.0]


def test_a_span_over_a_clock_that_was_set_back_does_not_end_before_it_began() -> None:
    assert STEPS.span(250_000, 350_000) == (OFFSET - 3_350, OFFSET - 3_250)
    assert STEPS.span(50_000, 150_000) == (OFFSET + 50, OFFSET + 3_750)


@pytest.mark.parametrize("step_s", [3_600.0, -3_600.0, -30.0])
def test_setting_the_clock_does_not_make_a_recording_foreign(step_s: float) -> None:
    scale = Scale(((0.0, OFFSET), (700.0, OFFSET + step_s)))
    birth = OFFSET + 500
    for first, last, seen in ((500, 600, 650), (500, 690, 710), (500, 900, 900), (705, 900, 950)):
        told = {"first_sync": first * 1_000, "last_sync": last * 1_000}
        seen_at = scale.wall(seen * 1_000)
        assert clock.is_local(scale, birth_ns=round(birth * 1e9), **told, last_seen_at=seen_at)
    told = {"first_sync": 100_000, "last_sync": 900_000}
    seen_at = scale.wall(950_000)
    assert not clock.is_local(scale, birth_ns=round(birth * 1e9), **told, last_seen_at=seen_at)


@given(
    length=st.floats(0, 1e6),
    wait=st.floats(0, 1e4),
    jump=st.floats(10, 1e6) | st.floats(-1e6, -10),
)
def test_moving_the_clock_makes_a_recording_foreign_where_it_no_longer_fits(
    length: float, wait: float, jump: float
) -> None:
    last, seen = BORN + length, BORN + length + wait
    assert is_local(first=BORN, last=last, seen=seen)
    fits = BORN + jump > BORN - 5 and last + jump < seen + 2
    assert is_local(first=BORN + jump, last=last + jump, seen=seen) == fits
