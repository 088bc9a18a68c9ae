"""What is needed, whether there is room, when the disk is full, and how often one may ask."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kasm_recd.admission import Allowed, Booking, Facts, Forecast, Judge, Look, Peer, Reason, Room
from kasm_recd.admission.gate import INODES_EACH, Need, shortage
from kasm_recd.admission.ledger import Ledger
from kasm_recd.admission.peers import peer_of
from kasm_recd.admission.rate import BURST_S, Rate

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1000.0
MB = 10**6
REC = Room("/rec", 1000 * MB, 0.5, device=1, inodes_free=50_000, inodes_total=100_000)
SPOOL = replace(REC, folder="/spool", device=2)
FACTS = Facts(
    at=NOW,
    recording_dir="/rec",
    recording_room=REC,
    spool_room=SPOOL,
    min_free=500 * MB,
    disk_limit=0.9,
    reserve=100 * MB,
)


def awaiting(*session_ids: int) -> Callable[[int], bool]:
    return lambda session_id: session_id in session_ids


def needed(ledger: Ledger, facts: Facts, *, more: int = 0) -> dict[str, int]:
    return {each.room.folder: each.bytes for each in ledger.needs(facts, more=more)}


def test_a_session_without_a_recording_needs_its_whole_reserve_everywhere() -> None:
    ledger = Ledger([Booking("k1", NOW + 9)])
    assert needed(ledger, FACTS, more=1) == {"/rec": 200 * MB, "/spool": 200 * MB}


def test_one_file_system_is_counted_once() -> None:
    same = replace(FACTS, spool_room=replace(SPOOL, device=1))
    assert needed(Ledger(), same, more=1) == {"/rec": 100 * MB}


def test_a_live_session_needs_what_its_uncut_bytes_lack_where_they_lie() -> None:
    facts = replace(FACTS, live={"k1": 30 * MB, "k2": 900 * MB})
    assert needed(Ledger(), facts) == {"/rec": 70 * MB, "/spool": 200 * MB}


def test_a_live_session_that_is_promised_another_recording_needs_room_for_both() -> None:
    facts = replace(FACTS, live={"k1": 30 * MB})
    assert needed(Ledger([Booking("k1", NOW + 9)]), facts)["/rec"] == 170 * MB
    assert needed(Ledger(), facts, more=1)["/rec"] == 170 * MB


def test_a_recording_that_appeared_keeps_its_room_until_it_is_measured() -> None:
    judge = Judge(60.0, [Booking("k1", NOW + 9, "rec")])
    assert judge.judge("k1", FACTS, NOW).allow
    assert needed(judge.ledger, FACTS)["/rec"] == 200 * MB
    judge.ledger.drop(judge.ledger.settled(awaiting()), NOW)
    assert needed(judge.ledger, FACTS)["/rec"] == 100 * MB


def test_a_booking_ends_when_it_lapses() -> None:
    ledger = Ledger([Booking("k1", NOW + 9, "rec")])
    assert needed(ledger, FACTS)["/rec"] == 100 * MB, "it may have appeared since"
    assert needed(ledger, replace(FACTS, at=NOW + 9))["/rec"] == 0
    assert ledger.pending("k1", NOW + 8.9)
    assert not ledger.pending("k1", NOW + 9)
    ledger.drop((), NOW + 9)
    assert len(ledger) == 0


def test_a_booking_that_the_journal_has_ends_when_its_recording_appeared() -> None:
    ledger = Ledger([Booking("k1", NOW + 9, "rec", 1)])
    ledger.book("k2", NOW + 9)
    assert ledger.settled(awaiting(1)) == ()
    (gone,) = ledger.settled(awaiting())
    assert gone.kasm_id == "k1", "k2 is on its way to the journal still"
    ledger.drop([gone], NOW)
    assert [ledger.pending(each, NOW) is None for each in ("k1", "k2")] == [True, False]


def test_a_booking_made_anew_meanwhile_does_not_end_with_the_old_one() -> None:
    ledger = Ledger([Booking("k1", NOW + 9, "rec")])
    settled = ledger.settled(awaiting())
    ledger.confirm(Booking("k1", NOW + 20, "rec"))
    ledger.drop(settled, NOW)
    assert ledger.pending("k1", NOW)


def test_what_was_told_is_not_taken_back() -> None:
    ledger = Ledger([Booking("k1", NOW + 9, "rec")])
    ledger.book("k2", NOW + 9)
    assert not ledger.release("k1")
    assert ledger.release("k2")
    assert not ledger.release("k2")
    assert len(ledger) == 1


def test_the_refusal_has_the_figures_behind_it() -> None:
    judge = Judge(60.0, [Booking(f"k{n}", NOW + 9, "rec") for n in range(5)])
    refusal = judge.judge("one more", FACTS, NOW)
    assert refusal.reason is Reason.DISK_FREE_LOW
    assert refusal.figures == {
        "folder": "/rec",
        "available": 1000 * MB,
        "needed": 600 * MB,
        "min_free": 500 * MB,
        "sessions": 6,
    }


def test_a_repeat_is_told_again_though_no_other_would_be_let_in() -> None:
    judge = Judge(60.0, [Booking(f"k{n}", NOW + 9, f"rec-{n}", n) for n in range(5)])
    assert not judge.judge("k9", FACTS, NOW).allow
    again = judge.again("k3", FACTS, NOW)
    assert again == Booking("k3", NOW + 60, "rec-3", 3)


@pytest.mark.parametrize(
    "changes", [{"at": NOW - 5.1}, {"draining": True}, {"recording_dir_error": "gone"}]
)
def test_a_repeat_is_not_told_again_when_something_speaks_against_it(
    changes: dict[str, object],
) -> None:
    judge = Judge(60.0, [Booking("k1", NOW + 9, "rec")])
    assert judge.again("k1", replace(FACTS, **changes), NOW) is None  # type: ignore[arg-type]


def test_a_booking_that_is_not_durable_is_not_told_again() -> None:
    judge = Judge(60.0)
    assert judge.judge("k1", FACTS, NOW).allow
    assert judge.again("k1", FACTS, NOW) is None


def test_a_look_at_the_gate_changes_nothing() -> None:
    judge = Judge(60.0)
    full = replace(FACTS, spool_room=replace(SPOOL, available=0))
    for _ in range(3):
        assert judge.look(full, NOW).reason is Reason.DISK_FREE_LOW
    edge = replace(FACTS, spool_room=replace(SPOOL, available=600 * MB))
    assert judge.judge("k1", edge, NOW).allow, "the gate was never shut"


def test_inodes_are_counted_as_bytes_are() -> None:
    few = replace(REC, inodes_free=1000 + 2 * INODES_EACH)
    assert shortage(FACTS, Need(few, 2, 0)) is None
    refusal = shortage(FACTS, Need(few, 3, 0))
    assert refusal is not None
    assert refusal.reason is Reason.INODES_LOW
    assert refusal.figures["inodes_floor"] == 1000
    assert shortage(FACTS, Need(replace(few, inodes_free=0, inodes_total=0), 3, 0)) is None
    small = replace(REC, inodes_free=100, inodes_total=1000)
    assert shortage(FACTS, Need(small, 2, 0)) is None, "a twentieth stays free of a small one"
    assert shortage(FACTS, Need(small, 3, 0)) is not None


def test_a_disk_that_fills_has_a_forecast_and_one_that_drains_has_none() -> None:
    filling, draining = Forecast(), Forecast()
    for second in range(11):
        written = 3 * MB * second
        filling.learn(Look(NOW + second, 1000 * MB - 2 * MB * second, {1: written}))
        draining.learn(Look(NOW + second, 100 * MB + MB * second, {1: written}))
    assert filling.written == pytest.approx(3 * MB)
    assert filling.drained == pytest.approx(MB)
    assert filling.full_in_s() == pytest.approx(490.0)
    assert draining.full_in_s() is None


def test_a_forecast_needs_some_looks_and_later_ones() -> None:
    forecast = Forecast()
    for second in range(5):
        forecast.learn(Look(NOW + second, 100 - second))
        forecast.learn(Look(NOW + second - 50, 10**9))
    assert forecast.full_in_s() is None


def test_a_recording_that_went_away_does_not_unwrite_what_it_wrote() -> None:
    forecast = Forecast()
    forecast.learn(Look(NOW, 100, {1: 50}))
    forecast.learn(Look(NOW + 10, 140, {2: 10}))
    assert forecast.written == pytest.approx(1.0)
    assert forecast.drained == pytest.approx(5.0)


def test_a_user_may_ask_so_often_and_others_do_not_pay_for_it() -> None:
    rate = Rate(10)
    most = int(10 * BURST_S)
    assert [rate.take(1, NOW) for _ in range(most + 1)] == [True] * most + [False]
    assert rate.take(2, NOW)
    assert not rate.take(1, NOW + 0.05)
    assert rate.take(1, NOW + 0.11)
    assert not rate.take(1, NOW + 0.12)


def test_no_rate_is_no_limit() -> None:
    assert all(Rate(0).take(1, NOW) for _ in range(10_000))


def test_whoever_is_listed_may_ask_and_root_and_ourselves_always() -> None:
    allowed = Allowed(frozenset({7}), frozenset({70, 71}))
    assert Allowed().admits(Peer(1, 99, 99))
    assert not allowed.admits(Peer(1, 99, 99))
    assert allowed.admits(Peer(1, 7, 99))
    assert allowed.admits(Peer(1, 99, 70))
    assert allowed.admits(Peer(1, 99, 99, frozenset({5, 71})))
    assert allowed.admits(Peer(1, 0, 0))
    assert allowed.admits(Peer(1, os.getuid(), 99))


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        peer = peer_of(ours)
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.getuid(), os.getgid())
    assert peer.groups == frozenset(os.getgroups())
