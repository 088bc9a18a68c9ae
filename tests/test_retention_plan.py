"""When an unstored segment may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd.retention import is_expired
from kasm_recd.states import SegmentState
from tests.values import make_segment

HOUR = 3600.0
UNSTORED = (SegmentState.SEALED, SegmentState.ENCODED, SegmentState.RAW)


@pytest.mark.parametrize("state", UNSTORED)
def test_a_segment_expires_when_its_time_is_over_and_the_store_had_its_chances(
    state: SegmentState,
) -> None:
    segment = make_segment(state=state, sealed_uptime=100.0)
    at_the_end = 100.0 + 24 * HOUR
    assert is_expired(segment, uptime_s=at_the_end, retention_s=24 * HOUR, attempts_since_start=3)
    assert not is_expired(
        segment, uptime_s=at_the_end - 1, retention_s=24 * HOUR, attempts_since_start=3
    )
    assert not is_expired(
        segment, uptime_s=at_the_end, retention_s=24 * HOUR, attempts_since_start=2
    )


@given(st.floats(0, 1e9), st.integers(0, 1000))
def test_a_retention_period_of_zero_means_never(uptime_s: float, attempts: int) -> None:
    segment = make_segment(sealed_uptime=0.0)
    assert not is_expired(segment, uptime_s=uptime_s, retention_s=0, attempts_since_start=attempts)


@pytest.mark.parametrize("state", [state for state in SegmentState if state not in UNSTORED])
def test_a_segment_at_work_or_done_never_expires(state: SegmentState) -> None:
    segment = make_segment(state=state, sealed_uptime=0.0)
    assert not is_expired(segment, uptime_s=1e9, retention_s=1, attempts_since_start=99)
