"""100,000 random interleavings of questions, answers, measurements and what guacd does meanwhile.

The world is a disk that only admitted sessions write on. Whatever the order: it never goes below
``min_free`` as long as no session takes more than its reserve, nobody is told yes on old facts or
while draining, and a shut gate opens only with its margin.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from kasm_recd.admission import Booking, Decision, Facts, Judge, Room
from kasm_recd.admission.gate import BYTES_MARGIN, Gate
from kasm_recd.admission.verdict import MAX_FACTS_AGE_S, objection
from kasm_recd.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

    from kasm_recd.admission.gate import Need

WALKS: Final = 100_000
STEPS: Final = 12
LONG_WALKS: Final = 100
LONG: Final = 600
NAMES: Final = tuple("abcdefgh")
SESSIONS: Final = {
    name: Session(name, "", "", "", "", "", "", f"rec-{name}", 0.0, id=ord(name)) for name in NAMES
}


class World:
    """A disk, a journal's promises, and sessions in all stages; ``told`` are yeses in force."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = 100.0
        self.reserve = chance.choice((1, 7, 10))
        self.min_free = chance.choice((0, 5, 20))
        self.available = self.min_free + chance.randint(-3, 5 * self.reserve)
        self.hold_s = 6.0
        self.judge = Judge(self.hold_s)
        self.told: dict[str, float] = {}  # promised and not appeared -> until when
        self.promises: set[str] = set()  # as the journal has them
        self.flights: list[str] = []  # booked, on the way to the journal
        self.live: dict[str, int] = {}  # bytes that are in no segment
        self.spooled = 0
        self.draining = False
        self.allowed = 0
        self.refused = 0
        self.look: tuple[tuple[Booking, ...], dict[str, int], float] | None = None
        self.begin_look()
        self.end_look()

    # -- what brokers and the daemon do

    def ask(self) -> None:
        name = self.chance.choice(NAMES)
        if name in self.flights:
            return  # waits for the same answer
        if self.judge.again(name, self.facts, self.now) and name in self.promises:
            self.tell(name)
        elif self.judge.judge(name, self.facts, self.now).allow:
            self.flights.append(name)
        else:
            self.refused += 1

    def land(self) -> None:
        if not self.flights:
            return
        name = self.flights.pop(self.chance.randrange(len(self.flights)))
        if self.chance.random() < 0.1:  # the journal failed
            self.judge.ledger.release(name)
            return
        self.promises.add(name)
        if self.judge.keep(SESSIONS[name], self.facts, self.now).allow:
            self.tell(name)
        elif self.judge.ledger.release(name):
            self.promises.discard(name)

    def tell(self, name: str) -> None:
        assert self.now - self.facts.at <= MAX_FACTS_AGE_S
        assert not self.facts.draining
        self.allowed += 1
        self.told[name] = self.now + self.hold_s

    def begin_look(self) -> None:
        settled = self.judge.ledger.settled(lambda session_id: chr(session_id) in self.promises)
        self.look = (settled, dict(self.live), self.now)

    def end_look(self) -> None:
        if self.look is None:
            return
        settled, live, at = self.look
        self.look = None
        self.judge.ledger.drop(settled, at)
        room = Room("/rec", self.available, 0.5, device=1)
        self.facts = Facts(
            at=at,
            recording_dir="/rec",
            recording_room=room,
            spool_room=room,
            min_free=self.min_free,
            disk_limit=0.9,
            reserve=self.reserve,
            live=live,
            draining=self.draining,
        )

    # -- what guacd, the store and time do

    def appear(self) -> None:
        waiting = [name for name in self.told if name in self.promises]
        if waiting:
            name = self.chance.choice(waiting)
            del self.told[name]
            self.promises.discard(name)
            self.live.setdefault(name, 0)

    def write(self) -> None:
        if self.live:
            name = self.chance.choice(list(self.live))
            grown = self.chance.randint(0, self.reserve - self.live[name])
            self.live[name] += grown
            self.available -= grown

    def end(self) -> None:
        if self.live:
            self.spooled += self.live.pop(self.chance.choice(list(self.live)))

    def store(self) -> None:
        self.available += self.spooled
        self.spooled = 0

    def wait(self) -> None:
        self.now += self.chance.choice((0.01, 0.5, 2.0))
        for name in [name for name, until in self.told.items() if until <= self.now]:
            del self.told[name]  # the watch reports it, and waits no longer
            self.promises.discard(name)

    def drain(self) -> None:
        self.draining = not self.draining

    def check(self) -> None:
        """A reserve is a session's, whatever the number of its recordings."""
        unfinished = self.told.keys() | self.live.keys()
        if unfinished:
            owed = self.reserve * len(unfinished) - sum(self.live.values())
            assert self.available - owed >= self.min_free

    def walk(self, steps: int) -> None:
        verbs: tuple[Callable[[], None], ...] = (
            *(self.ask,) * 4,
            *(self.land,) * 4,
            self.begin_look,
            self.end_look,
            *(self.appear,) * 2,
            *(self.write,) * 2,
            self.end,
            self.store,
            self.wait,
        )
        for verb in self.chance.choices(verbs, k=steps):
            verb()
            self.check()
        if self.chance.random() < 0.02:
            self.drain()


def test_no_interleaving_promises_more_than_the_disk_has() -> None:
    chance = random.Random(5)
    allowed = refused = 0
    for _ in range(WALKS):
        world = World(chance)
        world.walk(STEPS)
        allowed, refused = allowed + world.allowed, refused + world.refused
    assert min(allowed, refused) > WALKS / 2, "both were met often"


def test_no_long_interleaving_does_either_with_draining_between() -> None:
    chance = random.Random(55)
    for _ in range(LONG_WALKS):
        world = World(chance)
        for _ in range(LONG // 20):
            world.walk(20)
            world.begin_look()
            world.end_look()


def test_a_walk_would_find_a_ledger_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: here bookings are not counted."""
    judged = Gate.judge

    def forgetful(gate: Gate, facts: Facts, needs: Iterable[Need]) -> Decision | None:
        del needs
        return judged(gate, facts, ())

    monkeypatch.setattr(Gate, "judge", forgetful)
    monkeypatch.setattr(Judge, "keep", kept_unseen)
    chance = random.Random(5)
    for _ in range(1000):
        try:
            World(chance).walk(40)
        except AssertionError:
            return
    raise AssertionError("no walk noticed")


def kept_unseen(judge: Judge, session: Session, facts: Facts, now: float) -> Decision:
    judge.ledger.book(session.kasm_id, now + 6.0)
    return objection(facts, now) or Decision()


def test_a_shut_gate_opens_only_with_a_margin() -> None:
    chance = random.Random(7)
    for _ in range(500):
        judge, min_free, shut = Judge(60.0), 1000, False
        for step in range(40):
            available = chance.randint(850, 1250)
            room = Room("/rec", available, 0.5, device=1)
            facts = Facts(
                at=float(step),
                recording_dir="/rec",
                recording_room=room,
                spool_room=room,
                min_free=min_free,
                disk_limit=0.9,
            )
            allow = judge.judge(f"k{step}", facts, float(step)).allow
            assert allow == (available >= min_free * (1 + BYTES_MARGIN * shut))
            shut = not allow
