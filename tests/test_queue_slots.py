"""Work in bounded slots: started when there is room and time, never twice, and awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kasm_recd import queue
from kasm_recd.queue import Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Running = Callable[[Slots[str]], asyncio.Task[None]]

DEADLINE_S = 20.0


class Work:
    """Work that goes on until it is let go; knows what is at work, and how much there ever was."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.most_at_once = 0
        self._gates: dict[str, asyncio.Event] = {}
        self._news = asyncio.Event()

    async def __call__(self, item: str) -> None:
        gate = self._gates[item] = asyncio.Event()
        self.started.append(item)
        self.most_at_once = max(self.most_at_once, len(self._gates))
        self._news.set()
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(item)
            raise
        finally:
            del self._gates[item]
        self.ended.append(item)

    def let_go(self, item: str) -> None:
        self._gates[item].set()

    async def has_started(self, *items: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.started != list(items):
                self._news.clear()
                await self._news.wait()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def idle(slots: Slots[str]) -> None:
    """Waits until nothing waits and nothing is at work."""
    async with asyncio.timeout(DEADLINE_S):
        while slots.busy or slots.waiting:  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(0.005)


async def settle() -> None:
    """Lets everything run that can run without anything new."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """Starts slots, and ends them after the test."""
    tasks: list[asyncio.Task[None]] = []

    def start(slots: Slots[str]) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(slots.run()))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def put(slots: Slots[str], item: str, *, lane: str = "a", not_before: float = 0.0) -> None:
    """Items are offered in the order of their names."""
    order = tuple(item.encode())
    slots.offer(item, item, lane=lane, order=order, not_before=not_before)


async def test_no_more_are_at_work_than_there_are_slots(work: Work, running: Running) -> None:
    slots = Slots("encode", 2, work)
    running(slots)
    for item in "abcd":
        put(slots, item)
    await work.has_started("a", "b")
    await settle()
    assert (slots.busy, slots.waiting) == (2, 2)
    work.let_go("a")
    await work.has_started("a", "b", "c")
    assert work.most_at_once == 2


async def test_what_was_offered_before_the_start_is_worked_on(work: Work, running: Running) -> None:
    slots = Slots("encode", 1, work)
    put(slots, "a")
    running(slots)
    await work.has_started("a")


async def test_sessions_take_turns_for_the_slot(work: Work, running: Running) -> None:
    slots = Slots("encode", 1, work)
    for item in ("a1", "a2", "a3"):
        put(slots, item, lane="a")
    put(slots, "b1", lane="b")
    running(slots)
    for n, item in enumerate(["a1", "b1", "a2", "a3"], start=1):
        await work.has_started(*["a1", "b1", "a2", "a3"][:n])
        work.let_go(item)
    await idle(slots)


async def test_a_key_at_work_is_not_started_again_until_it_ended(
    work: Work, running: Running
) -> None:
    slots = Slots("encode", 3, work)
    running(slots)
    put(slots, "a")
    await work.has_started("a")
    put(slots, "a")
    put(slots, "a")
    await settle()
    assert (work.started, slots.busy, slots.waiting) == (["a"], 1, 1)
    work.let_go("a")
    await work.has_started("a", "a")
    work.let_go("a")
    await idle(slots)
    assert work.started == ["a", "a"]


async def test_a_failed_item_offered_by_its_own_work_holds_no_slot_while_it_waits(
    running: Running,
) -> None:
    started: list[str] = []
    clock = Clock()

    async def fail_once(item: str) -> None:
        started.append(item)
        if started == ["a"]:
            slots.offer("a", "a", lane="a", order=(0,), not_before=clock.now + 3600.0)

    slots = Slots("encode", 1, fail_once, clock=clock)
    running(slots)
    slots.offer("a", "a", lane="a", order=(0,))
    slots.offer("b", "b", lane="b", order=(0,))
    await settle()
    assert started == ["a", "b"]
    assert (slots.busy, slots.waiting) == (0, 1)
    clock.now += 3600.0
    slots.offer("c", "c", lane="c", order=(0,))
    await idle(slots)
    assert sorted(started) == ["a", "a", "b", "c"]


async def test_a_back_off_ends_by_itself(work: Work, running: Running) -> None:
    loop = asyncio.get_running_loop()
    slots = Slots("encode", 1, work, clock=loop.time)
    running(slots)
    put(slots, "a", not_before=loop.time() + 0.05)
    await work.has_started("a")


async def test_a_clock_that_is_set_forward_is_noticed(
    work: Work, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LONGEST_SLEEP_S", 0.02)
    clock = Clock()
    slots = Slots("encode", 1, work, clock=clock)
    running(slots)
    put(slots, "a", not_before=clock.now + 3600.0)
    await settle()
    clock.now += 3600.0
    await work.has_started("a")


async def test_waiting_costs_nothing(work: Work, running: Running) -> None:
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return 100.0

    slots = Slots("encode", 1, work, clock=clock)
    running(slots)
    put(slots, "a")
    put(slots, "b", not_before=1000.0)
    await work.has_started("a")
    work.let_go("a")
    await asyncio.sleep(0.2)
    assert looks <= 4  # at the start, for each change, and not once more


async def test_an_error_out_of_the_work_ends_the_run_and_all_other_work(
    work: Work, running: Running
) -> None:
    async def break_down(item: str) -> None:
        if item == "b":
            raise RuntimeError("journal")
        await work(item)

    slots = Slots("encode", 2, break_down)
    task = running(slots)
    put(slots, "a")
    await work.has_started("a")
    put(slots, "b")
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(task, DEADLINE_S)
    assert [str(error) for error in caught.value.exceptions] == ["journal"]
    assert work.cancelled == ["a"]


async def test_cancellation_cancels_the_work_and_waits_for_it(running: Running) -> None:
    cleaned = False

    async def slow_to_end(_item: str) -> None:
        nonlocal cleaned
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)
            cleaned = True

    slots = Slots("encode", 1, slow_to_end)
    task = running(slots)
    put(slots, "a")
    await settle()
    assert slots.busy == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned
    assert slots.busy == 0
