"""Bounded slots that serve sessions in turn: round robin over lanes, oldest first within one.

The queue is an index in memory of what the journal says; it can be made again from there at any
time. :class:`FairQueue` is pure; :class:`Slots` is the thin shell that starts the work. No slot is
held during a back-off: who failed offers the item again, with ``not_before``.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")

LONGEST_SLEEP_S: Final = 60.0  # the wall clock may be set while we wait for a time on it


@dataclass(frozen=True, slots=True)
class _Offer(Generic[T]):
    key: Hashable
    item: T
    lane: str
    order: tuple[float, ...]
    not_before: float
    serial: int  # unique: it ends every comparison, and the first offer wins a tie

    @property
    def in_lane(self) -> tuple[tuple[float, ...], int, _Offer[T]]:
        """How it is sorted among the offers of its lane."""
        return (self.order, self.serial, self)

    @property
    def in_time(self) -> tuple[float, int, _Offer[T]]:
        """How it is sorted among those whose time has not come."""
        return (self.not_before, self.serial, self)


class FairQueue(Generic[T]):
    """What waits. A lane that was served goes behind all others that have something ready.

    ``order`` sorts within a lane, lowest first. An offer whose ``not_before`` has not come keeps
    nobody of its lane waiting. A key is in the queue once: a newer offer replaces the older one.
    """

    def __init__(self) -> None:
        self._offers: dict[Hashable, _Offer[T]] = {}
        self._later: list[tuple[float, int, _Offer[T]]] = []
        self._lanes: dict[str, list[tuple[tuple[float, ...], int, _Offer[T]]]] = {}
        self._turns: deque[str] = deque()  # the lanes, the next one first
        self._serials = itertools.count()

    def __len__(self) -> int:
        """Everything that waits, whether its time has come or not."""
        return len(self._offers)

    def offer(
        self,
        key: Hashable,
        item: T,
        *,
        lane: str,
        order: tuple[float, ...],
        not_before: float = 0.0,
    ) -> None:
        """Puts ``item`` in; ``not_before`` is on the same clock as ``now`` of :meth:`take`."""
        self.withdraw(key)
        offer = _Offer(key, item, lane, order, not_before, next(self._serials))
        self._offers[key] = offer
        insort(self._later, offer.in_time)

    def withdraw(self, key: Hashable) -> None:
        """Takes ``key`` out, if it is in."""
        offer = self._offers.pop(key, None)
        if offer is None:
            return
        place = bisect_left(self._later, offer.in_time)
        if self._later[place : place + 1] == [offer.in_time]:
            del self._later[place]
            return
        ready = self._lanes[offer.lane]
        del ready[bisect_left(ready, offer.in_lane)]  # an emptied lane keeps its turn till then

    def take(self, now: float) -> T | None:
        """The next item to work on, out of the queue; None where nothing is ready."""
        self._ripen(now)
        while self._turns:
            lane = self._turns.popleft()
            ready = self._lanes[lane]
            if len(ready) > 1:
                self._turns.append(lane)
            else:
                del self._lanes[lane]
            if ready:
                _, _, offer = ready.pop(0)
                del self._offers[offer.key]
                return offer.item
        return None

    def next_due(self) -> float | None:
        """When :meth:`take` has something: a time that may be past, or None if nothing waits."""
        if any(self._lanes.values()):
            return 0.0
        return self._later[0][0] if self._later else None

    def _ripen(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, _, offer = self._later.pop(0)
            if offer.lane not in self._lanes:
                self._lanes[offer.lane] = []
                self._turns.append(offer.lane)
            insort(self._lanes[offer.lane], offer.in_lane)


class Slots(Generic[T]):
    """At most ``slots`` items at work at once, each in a task of its own.

    A key at work is never started twice: an offer of it waits until that work has ended. The work
    itself may make such an offer, which is how a failed item comes back.
    """

    def __init__(
        self,
        name: str,
        slots: int,
        work: Callable[[T], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` is what ``not_before`` is measured on; ``name`` is for logs and figures."""
        self.name = name
        self._slots = slots
        self._work = work
        self._clock = clock
        self._queue: FairQueue[tuple[Hashable, T]] = FairQueue()
        self._at_work: set[Hashable] = set()
        self._held: dict[Hashable, Callable[[], None]] = {}  # offers of keys at work
        self._since: dict[Hashable, float] = {}  # when what waits was offered first
        self._changed = asyncio.Event()

    @property
    def busy(self) -> int:
        """How many items are at work."""
        return len(self._at_work)

    @property
    def waiting(self) -> int:
        """How many items wait for a slot, or for their time."""
        return len(self._queue) + len(self._held)

    @property
    def oldest_s(self) -> float:
        """How long what waits longest has waited, by the clock; 0 where nothing does."""
        return max(0.0, self._clock() - min(self._since.values())) if self._since else 0.0

    def offer(
        self,
        key: Hashable,
        item: T,
        *,
        lane: str,
        order: tuple[float, ...],
        not_before: float = 0.0,
    ) -> None:
        """As :meth:`FairQueue.offer`; to be called in the event loop's thread."""

        def put() -> None:
            self._queue.offer(key, (key, item), lane=lane, order=order, not_before=not_before)

        self._since.setdefault(key, self._clock())
        if key in self._at_work:
            self._held[key] = put
        else:
            put()
        self._changed.set()

    async def run(self) -> None:
        """Works until it is cancelled; running work is then cancelled too, and awaited.

        Raises:
            ExceptionGroup: what came out of ``work``; the rest of the work was ended.
        """
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                await self._wait(self._start_ready(tasks))

    def _start_ready(self, tasks: asyncio.TaskGroup) -> float | None:
        """Fills the free slots; says in how many seconds there may be more to start.

        None: only a change can bring more.
        """
        now = self._clock()
        while len(self._at_work) < self._slots:
            taken = self._queue.take(now)
            if taken is None:
                due = self._queue.next_due()
                return None if due is None else max(0.0, due - now)
            key, item = taken
            self._at_work.add(key)
            self._since.pop(key, None)
            tasks.create_task(self._work_on(key, item), name=f"{self.name} {key}")
        return None

    async def _wait(self, seconds: float | None) -> None:
        delay = None if seconds is None else min(seconds, LONGEST_SLEEP_S)
        try:
            async with asyncio.timeout(delay):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _work_on(self, key: Hashable, item: T) -> None:
        try:
            await self._work(item)
        finally:
            self._at_work.discard(key)
            if put := self._held.pop(key, None):
                put()
            self._changed.set()
