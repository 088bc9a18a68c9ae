"""Where a segment lies on the wall clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.clock import Scale
from kasm_recd.contents import Contents
from kasm_recd.cuts import place_in_time
from tests.values import CONTENTS, make_recording

if TYPE_CHECKING:
    from kasm_recd.recording import Recording

#: The machine booted at this Unix second: wall clock = timestamp / 1000 + OFFSET.
OFFSET = 1_700_000_000.0
SCALE = Scale(((0.0, OFFSET),))
BORN_NS = round((OFFSET + 0.9) * 1e9)


def local(**changes: Any) -> Recording:
    recording = make_recording(first_seen_at=OFFSET + 1, ended_at=OFFSET + 71, end_known=True)
    identity = replace(recording.identity, birth_ns=BORN_NS)
    return replace(recording, identity=identity, **changes)


def test_a_recording_of_this_boot_lasts_until_its_end_was_seen() -> None:
    times = place_in_time(local(), CONTENTS, scale=SCALE, modified_at=OFFSET + 11)
    assert times.began_at == OFFSET + 1
    assert times.end_timestamp == 71_000
    assert times.ended_at == OFFSET + 71
    assert times.end_known


def test_an_end_that_nobody_saw_is_the_last_sync() -> None:
    recording = local(end_known=False)
    times = place_in_time(recording, CONTENTS, scale=SCALE, modified_at=OFFSET + 11)
    assert times.end_timestamp == CONTENTS.last_sync
    assert times.ended_at == OFFSET + 11
    assert not times.end_known


def test_a_recording_of_another_host_has_only_its_files_time() -> None:
    """Its stamps lie before its own birth on this machine's scale."""
    foreign = local(ended_at=OFFSET + 9_000)
    identity = replace(foreign.identity, birth_ns=round((OFFSET + 8_000) * 1e9))
    times = place_in_time(
        replace(foreign, identity=identity), CONTENTS, scale=SCALE, modified_at=OFFSET + 8_500
    )
    assert times.began_at == OFFSET + 8_490
    assert times.ended_at == OFFSET + 8_500
    assert times.end_timestamp == CONTENTS.last_sync
    assert not times.end_known


def test_an_unknown_clock_offset_falls_back_to_the_files_time() -> None:
    times = place_in_time(local(), CONTENTS, scale=None, modified_at=OFFSET + 500)
    assert (times.began_at, times.ended_at) == (OFFSET + 490, OFFSET + 500)


def test_a_recording_without_a_sync_lasted_from_first_sight_to_its_end() -> None:
    times = place_in_time(local(), Contents(), scale=SCALE, modified_at=OFFSET + 2)
    assert (times.began_at, times.ended_at) == (OFFSET + 1, OFFSET + 71)


@pytest.mark.parametrize("step_s", [3_600.0, -3_600.0])
def test_a_clock_that_is_set_during_a_session_moves_only_what_comes_after(step_s: float) -> None:
    """Set 6 s into the recording; it was idle from 11 s on, and its end was seen at 71 s."""
    scale = Scale(((0.0, OFFSET), (6.0, OFFSET + step_s)))
    recording = local(ended_at=OFFSET + step_s + 71)
    times = place_in_time(recording, CONTENTS, scale=scale, modified_at=OFFSET + step_s + 11)
    assert times.end_timestamp == 71_000
    assert times.ended_at == OFFSET + step_s + 71
    assert times.began_at == (OFFSET + 1 if step_s > 0 else OFFSET + step_s + 1)
    assert times.end_known


def test_a_clock_that_is_set_back_after_a_session_does_not_prolong_it() -> None:
    scale = Scale(((0.0, OFFSET), (80.0, OFFSET - 3_600)))
    times = place_in_time(local(), CONTENTS, scale=scale, modified_at=OFFSET + 11)
    assert times.end_timestamp == 71_000
    assert (times.began_at, times.ended_at) == (OFFSET + 1, OFFSET + 71)
