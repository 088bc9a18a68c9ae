from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasm_recd.admission import Decision, Facts, Judge, Reason, Room
from kasm_recd.admission.verdict import MAX_FACTS_AGE_S, parts

NOW = 1000.0
ROOMY = Room("/var/lib/guacd/recordings", available=10_000_000_000, used_fraction=0.3)
GOOD = Facts(
    at=NOW - 1,
    recording_dir="/var/lib/guacd/recordings",
    recording_room=ROOMY,
    spool_room=replace(ROOMY, folder="/var/lib/kasm-recd"),
    min_free=500_000_000,
    disk_limit=0.9,
)
NAN = float("nan")

#: Each by itself speaks against a recorded session.
AGAINST: list[tuple[dict[str, object], Reason]] = [
    ({"draining": True}, Reason.DRAINING),
    ({"settings_error": "bad"}, Reason.SETTINGS_INVALID),
    ({"settings_error": ""}, Reason.SETTINGS_INVALID),
    ({"journal_error": "bad"}, Reason.JOURNAL_CORRUPT),
    ({"recording_dir_error": "bad"}, Reason.RECORDING_DIR_UNUSABLE),
    ({"storage_error": "bad"}, Reason.STORAGE_UNCONFIGURED),
    ({"encoder_error": "bad"}, Reason.ENCODER_MISSING),
    ({"unrecorded_error": "bad"}, Reason.SESSIONS_UNRECORDED),
    ({"at": NOW - MAX_FACTS_AGE_S - 0.001}, Reason.FACTS_STALE),
    ({"at": NOW + 0.001}, Reason.FACTS_STALE),
    ({"at": NAN}, Reason.FACTS_STALE),
    ({"recording_room": None}, Reason.FACTS_STALE),
    ({"spool_room": None}, Reason.FACTS_STALE),
    ({"recording_room": replace(ROOMY, available=499_999_999)}, Reason.DISK_FREE_LOW),
    ({"spool_room": replace(ROOMY, available=499_999_999)}, Reason.DISK_FREE_LOW),
    ({"recording_room": replace(ROOMY, used_fraction=0.901)}, Reason.DISK_USED_HIGH),
    ({"spool_room": replace(ROOMY, used_fraction=0.901)}, Reason.DISK_USED_HIGH),
    ({"spool_room": replace(ROOMY, used_fraction=NAN)}, Reason.DISK_USED_HIGH),
]


def verdict(facts: Facts, now: float) -> Decision:
    """Of a judge who has promised nothing yet."""
    return Judge(60.0).judge("k1", facts, now)


def facts_with(changes: dict[str, object]) -> Facts:
    return replace(GOOD, **changes)  # type: ignore[arg-type]  # one of AGAINST


def test_a_recorded_session_is_allowed_when_nothing_speaks_against_it() -> None:
    decision = verdict(GOOD, NOW)
    assert decision.allow
    assert decision.reason is None


@pytest.mark.parametrize(("changes", "reason"), AGAINST)
def test_each_thing_that_speaks_against_it_refuses_for_its_reason(
    changes: dict[str, object], reason: Reason
) -> None:
    decision = verdict(facts_with(changes), NOW)
    assert not decision.allow
    assert decision.reason is reason


def test_figures_at_the_limit_are_still_within_it() -> None:
    edge = Room("/x", available=GOOD.min_free, used_fraction=GOOD.disk_limit)
    facts = replace(GOOD, recording_room=edge, spool_room=edge, at=NOW - MAX_FACTS_AGE_S)
    assert verdict(facts, NOW).allow


def test_a_full_disk_is_told_with_its_figures() -> None:
    low = Room("/spool", available=7, used_fraction=0.95)
    assert verdict(replace(GOOD, spool_room=low), NOW).figures == {
        "folder": "/spool",
        "available": 7,
        "needed": 0,
        "min_free": 500_000_000,
        "sessions": 1,
    }
    used = replace(low, available=10**12)
    assert verdict(replace(GOOD, spool_room=used), NOW).figures == {
        "folder": "/spool",
        "used_fraction": 0.95,
        "disk_limit": 0.9,
    }


def test_stale_facts_are_told_with_their_age() -> None:
    decision = verdict(replace(GOOD, at=NOW - 7), NOW)
    assert decision.figures == {"age_s": 7.0, "max_age_s": 5.0}


def test_facts_that_were_never_measured_have_no_age() -> None:
    never = replace(GOOD, at=-math.inf, recording_room=None, spool_room=None)
    assert verdict(never, NOW).figures == {"max_age_s": 5.0}


def test_the_reasons_are_stable() -> None:
    assert {reason.value for reason in Reason} == {
        "disk_free_low",
        "disk_used_high",
        "inodes_low",
        "peer_not_allowed",
        "rate_limited",
        "settings_invalid",
        "recording_dir_unusable",
        "storage_unconfigured",
        "encoder_missing",
        "sessions_unrecorded",
        "journal_corrupt",
        "staged_session",
        "draining",
        "name_in_use",
        "facts_stale",
        "internal_error",
    }


def test_health_names_the_part_that_is_wrong() -> None:
    assert set(parts(GOOD, NOW, None).values()) == {"ok"}
    sick = replace(GOOD, settings_error="no such file", at=NOW - 9, draining=True)
    told = parts(sick, NOW, Decision(Reason.DISK_FREE_LOW, "full"))
    assert told["settings"] == "no such file"
    assert told["facts"] == "What is known of the disks is 9.0 s old."
    assert told["admission"] == "draining"
    assert told["disk"] == "full"
    assert told["journal"] == "ok"


errors = st.none() | st.text(min_size=1, max_size=3)
numbers = st.integers(min_value=-1, max_value=10**12)
fractions = st.floats(min_value=-1, max_value=2) | st.just(NAN)
rooms = st.builds(Room, folder=st.just("/x"), available=numbers, used_fraction=fractions)
any_facts = st.builds(
    Facts,
    at=st.floats(min_value=NOW - 20, max_value=NOW + 5) | st.just(NAN),
    recording_dir=st.just("/x"),
    recording_room=st.none() | rooms,
    spool_room=st.none() | rooms,
    min_free=numbers,
    disk_limit=fractions,
    settings_error=errors,
    journal_error=errors,
    recording_dir_error=errors,
    storage_error=errors,
    encoder_error=errors,
    unrecorded_error=errors,
    draining=st.booleans(),
)


def all_is_well(facts: Facts) -> bool:
    """The rule, said a second time and another way."""
    measured = [facts.recording_room, facts.spool_room]
    return (
        not facts.draining
        and all(
            error is None
            for error in (
                facts.settings_error,
                facts.journal_error,
                facts.recording_dir_error,
                facts.storage_error,
                facts.encoder_error,
                facts.unrecorded_error,
            )
        )
        and NOW - 5 <= facts.at <= NOW
        and all(
            room is not None
            and room.available >= facts.min_free
            and room.used_fraction <= facts.disk_limit
            for room in measured
        )
    )


@given(any_facts)
@settings(max_examples=300)
def test_a_recorded_session_is_allowed_if_and_only_if_all_is_well(facts: Facts) -> None:
    decision = verdict(facts, NOW)
    assert decision.allow == all_is_well(facts)
    assert decision.allow or decision.message


@given(st.lists(st.sampled_from(AGAINST), min_size=1))
def test_nothing_that_speaks_against_it_is_outweighed_by_anything_else(
    several: list[tuple[dict[str, object], Reason]],
) -> None:
    changes = {name: value for one, _ in several for name, value in one.items()}
    assert not verdict(facts_with(changes), NOW).allow
