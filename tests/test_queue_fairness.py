"""Who is next, in examples and held against a plain dictionary on random walks."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kasm_recd.queue import FairQueue

LANES = ["anna", "berta", "carla"]


def test_lanes_take_turns_and_the_oldest_of_each_comes_first() -> None:
    queue: FairQueue[str] = FairQueue()
    for order in (3, 1, 2):
        queue.offer(f"a{order}", f"a{order}", lane="a", order=(order,))
    queue.offer("b9", "b9", lane="b", order=(9,))
    queue.offer("c0", "c0", lane="c", order=(0,))
    assert [queue.take(0.0) for _ in range(6)] == ["a1", "b9", "c0", "a2", "a3", None]


def test_a_busy_session_does_not_push_in_before_one_that_comes_later() -> None:
    queue: FairQueue[str] = FairQueue()
    for n in range(100):
        queue.offer(f"busy{n}", "busy", lane="busy", order=(n,))
    assert queue.take(0.0) == "busy"
    queue.offer("late", "late", lane="late", order=(1000,))
    assert [queue.take(0.0), queue.take(0.0)] == ["busy", "late"]


def test_a_back_off_keeps_nobody_of_its_lane_waiting() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.offer("failed", "failed", lane="a", order=(0,), not_before=50.0)
    queue.offer("fresh", "fresh", lane="a", order=(1,))
    assert [queue.take(10.0), queue.take(49.9)] == ["fresh", None]
    assert queue.next_due() == 50.0
    assert queue.take(50.0) == "failed"
    assert queue.next_due() is None


def test_what_is_ready_is_due_at_once() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.offer("a", "a", lane="a", order=(0,), not_before=5.0)
    queue.offer("b", "b", lane="a", order=(1,), not_before=5.0)
    assert queue.take(7.0) == "a"
    assert queue.next_due() == 0.0


def test_a_newer_offer_of_a_key_replaces_the_older_one() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.offer("k", "old", lane="a", order=(0,))
    assert queue.take(0.0) == "old"
    queue.offer("k", "old", lane="a", order=(0,))
    queue.offer("other", "other", lane="a", order=(1,))
    queue.offer("k", "new", lane="b", order=(5,), not_before=3.0)
    assert len(queue) == 2
    assert [queue.take(2.0), queue.take(2.0), queue.take(3.0)] == ["other", None, "new"]


def test_an_item_that_is_offered_over_and_over_keeps_its_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    for n in range(9):
        queue.offer(n, "busy", lane=f"busy{n % 3}", order=(n,))
    queue.offer("k", "patient", lane="patient", order=(0,))
    served = []
    for _ in range(4):
        served.append(queue.take(0.0))
        queue.offer("k", "patient", lane="patient", order=(0,))
    assert served == ["busy", "busy", "busy", "patient"]


def test_withdrawing_what_is_not_there_does_nothing() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.withdraw("k")
    assert (len(queue), queue.take(0.0), queue.next_due()) == (0, None, None)


@given(
    offers=st.lists(st.tuples(st.sampled_from(LANES), st.integers(0, 5)), max_size=40),
)
def test_while_a_lane_waits_no_other_lane_is_served_twice(offers: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for key, (lane, order) in enumerate(offers):
        queue.offer(key, (lane, order), lane=lane, order=(order,))
    served = list(iter(lambda: queue.take(0.0), None))
    assert sorted(served) == sorted(offers)
    for lane in LANES:
        places = [place for place, (who, _) in enumerate(served) if who == lane]
        for before, after in zip([-1, *places], places, strict=False):
            between = [who for who, _ in served[before + 1 : after]]
            assert len(between) == len(set(between))
        orders = [order for who, order in served if who == lane]
        assert orders == sorted(orders)


@dataclass
class Waiting:
    lane: str
    order: int
    not_before: int
    offered: int


class QueueWalk(RuleBasedStateMachine):
    """Random offers, withdrawals, back-offs and takes."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: FairQueue[int] = FairQueue()
        self.waiting: dict[int, Waiting] = {}
        self.now = 0
        self.serial = 0
        self.passed_by: dict[str, set[str]] = {lane: set() for lane in LANES}

    @rule(
        key=st.integers(0, 8),
        lane=st.sampled_from(LANES),
        order=st.integers(0, 3),
        delay=st.integers(0, 5),
    )
    def offer(self, key: int, lane: str, order: int, delay: int) -> None:
        self.serial += 1
        due = self.now + delay
        self.queue.offer(key, key, lane=lane, order=(order, self.serial), not_before=due)
        self.waiting[key] = Waiting(lane, order, due, self.serial)

    @rule(key=st.integers(0, 8))
    def withdraw(self, key: int) -> None:
        self.queue.withdraw(key)
        self.waiting.pop(key, None)

    @rule()
    def take(self) -> None:
        ready = {key: w for key, w in self.waiting.items() if w.not_before <= self.now}
        taken = self.queue.take(self.now)
        if taken is None:
            assert not ready
            self.nobody_was_passed_by_twice(set(), served="nobody")
            return
        mine = ready[taken]
        same_lane = [(w.order, w.offered) for w in ready.values() if w.lane == mine.lane]
        assert (mine.order, mine.offered) == min(same_lane)
        del self.waiting[taken]
        self.nobody_was_passed_by_twice({w.lane for w in ready.values()}, served=mine.lane)

    def nobody_was_passed_by_twice(self, ready: set[str], *, served: str) -> None:
        for lane, by in self.passed_by.items():
            if lane == served or lane not in ready:
                by.clear()
            else:
                assert served not in by
                by.add(served)

    @rule(step=st.integers(1, 4))
    def time_passes(self, step: int) -> None:
        self.now += step

    @invariant()
    def the_length_is_right(self) -> None:
        assert len(self.queue) == len(self.waiting)

    @invariant()
    def the_next_due_time_is_never_too_late(self) -> None:
        due = self.queue.next_due()
        if not self.waiting:
            assert due is None
        else:
            assert due is not None
            assert due <= min(w.not_before for w in self.waiting.values())

    @invariant()
    def nothing_is_kept_of_what_has_left(self) -> None:
        kept = len(self.queue._later) + sum(map(len, self.queue._lanes.values()))
        assert kept == len(self.waiting)
        assert sorted(self.queue._turns) == sorted(self.queue._lanes)


QueueWalk.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueueWalk = QueueWalk.TestCase
