from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd import clock
from kasm_recd.clock import Clock

# A machine that booted at Unix time 1,000,000: its monotonic clock reads 0 there.
OFFSET = 1_000_000.0
BORN = 1_000_500  # Unix seconds


def is_local(*, first: float, last: float, seen: float, birth: float = BORN) -> bool:
    """All in Unix seconds on that machine."""
    return clock.is_local(
        birth_ns=round(birth * 1e9),
        first_sync=round((first - OFFSET) * 1000),
        last_sync=round((last - OFFSET) * 1000),
        offset_s=OFFSET,
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
    assert clock.wall(reading.monotonic_ms, reading.offset_s) == 1_000_042.5


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
