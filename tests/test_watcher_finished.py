from __future__ import annotations

from itertools import product

import pytest

from kasm_recd.watcher import Evidence, Facts, Patience, judge

PATIENCE = Patience(closed_s=30, unseen_s=86_400)


def facts(
    *,
    locked: bool = False,
    lock_seen: bool = False,
    open_for_writing: bool | None = None,
    closed: bool = False,
    quiet_s: float = 0,
) -> Facts:
    return Facts(locked, lock_seen, open_for_writing, closed, quiet_s)


def test_a_lock_that_was_seen_and_is_gone_is_the_end_at_once() -> None:
    assert judge(facts(lock_seen=True), PATIENCE) is Evidence.LOCK_GONE


def test_the_lock_is_asked_before_the_lease() -> None:
    assert judge(facts(lock_seen=True, open_for_writing=True), PATIENCE) is Evidence.LOCK_GONE


def test_without_a_lock_ever_nobody_having_it_open_is_the_end() -> None:
    assert judge(facts(open_for_writing=False), PATIENCE) is Evidence.NOT_OPEN


@pytest.mark.parametrize(("closed", "quiet_s"), [*product((True, False), (0, 1e9))])
def test_whoever_has_it_open_for_writing_keeps_it_growing(*, closed: bool, quiet_s: float) -> None:
    found = facts(open_for_writing=True, closed=closed, quiet_s=quiet_s)
    assert judge(found, PATIENCE) is None


@pytest.mark.parametrize(
    ("lock_seen", "lease", "closed", "quiet_s"),
    [*product((True, False), (True, False, None), (True, False), (0, 1e9))],
)
def test_a_locked_recording_is_never_finished(
    *, lock_seen: bool, lease: bool | None, closed: bool, quiet_s: float
) -> None:
    found = facts(
        locked=True, lock_seen=lock_seen, open_for_writing=lease, closed=closed, quiet_s=quiet_s
    )
    assert judge(found, PATIENCE) is None


@pytest.mark.parametrize(
    ("closed", "quiet_s", "evidence"),
    [
        (True, 29.9, None),
        (True, 30, Evidence.CLOSED_AND_QUIET),
        (False, 30, None),
        (False, 86_399, None),
        (False, 86_400, Evidence.QUIET_UNSEEN),
    ],
)
def test_where_it_cannot_be_known_a_close_and_silence_decide(
    *, closed: bool, quiet_s: float, evidence: Evidence | None
) -> None:
    assert judge(facts(closed=closed, quiet_s=quiet_s), PATIENCE) is evidence
