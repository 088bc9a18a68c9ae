"""What counts as a breach, what does not, and what settles it; on a real journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import guard as guards
from kasm_recd import metrics
from kasm_recd.breach import Breach, BreachKind, Settled
from kasm_recd.clock import ClockReading
from kasm_recd.guard import Guard
from kasm_recd.intake import Intake
from kasm_recd.journal import Journal
from kasm_recd.recording import Identity, Recording
from kasm_recd.stalling import Stalls
from kasm_recd.states import RecordingEvent
from kasm_recd.watcher import Evidence, Loss, Scan, Sighting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kasm_recd.session import Session
    from tests.fixtures_journal import Clock, SealOne

BOOT = "boot-1"
APPEAR_WITHIN = 30.0
SCAN = 2.0


class Watched:
    """A guard behind an intake; time passes by :meth:`scan` alone."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path, self.clock = path, clock
        self.monotonic = 1000.0
        self.sounded: list[Breach] = []
        self.start()

    def start(self, boot_id: str = BOOT) -> None:
        self.boot_id = boot_id
        self.journal = Journal.open(self.path, clock=self.clock)
        self.guard = Guard(
            journal=self.journal,
            appear_within_s=APPEAR_WITHIN,
            scan_interval_s=SCAN,
            boot_id=boot_id,
            sound=self.sounded.append,
            now=self.clock,
            monotonic=lambda: self.monotonic,
        )
        self.intake = Intake(
            journal=self.journal,
            on_finished=lambda _recording: None,
            watch=self.guard,
            now=self.clock,
        )

    async def restart(self, *, away_s: float = 0.0, boot_id: str = BOOT) -> None:
        await self.journal.close()
        self.pass_time(away_s)
        self.start(boot_id)
        await self.guard.begin()

    def pass_time(self, seconds: float) -> None:
        self.monotonic += seconds
        self.clock.now += seconds

    async def scan(
        self, *sightings: Sighting, after: float = SCAN, lost: dict[int, Loss] | None = None
    ) -> None:
        self.pass_time(after)
        offset = self.clock.now - self.monotonic
        reading = ClockReading(self.clock.now, int(self.monotonic * 1000), offset, self.boot_id)
        await self.intake.take(Scan(reading, sightings, lost or {}))

    def seen(self, kasm_id: str = "k-1", *, inode: int = 2, **changes: Any) -> Sighting:
        """A live recording as a scan sees it, matched with the journal's row where there is one."""
        identity = Identity(1, inode, 3, 4, "head")
        path = Path(f"/rec/rec-{kasm_id}")
        known = [r for r in self.journal.recordings() if r.identity == identity]
        fields: dict[str, Any] = {
            "path": path,
            "identity": identity,
            "size": 1000,
            "allocated": 4096,
            "mtime": self.clock.now,
            "at": self.clock.now,
            "locked": True,
            "lock_pid": 7,
            "lock_seen": True,
            "open_for_writing": None,
            "recording": known[-1] if known else None,
        }
        return Sighting(**(fields | changes))

    def breaches(self) -> list[tuple[str, BreachKind, str]]:
        return [(each.kasm_id, each.kind, each.settled_by) for each in self.journal.breaches()]

    def recording(self) -> Recording:
        return self.journal.recordings()[-1]


@pytest.fixture
async def watched(journal_path: Path, journal_clock: Clock) -> AsyncIterator[Watched]:
    made = Watched(journal_path, journal_clock)
    yield made
    await made.journal.close()


async def test_a_recording_that_does_not_appear_is_a_breach_in_time_and_only_once(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.scan(after=APPEAR_WITHIN - 2 * SCAN)
    assert not watched.breaches()
    assert watched.guard.breaches.error() is None
    await watched.scan()
    assert watched.breaches() == [("k-1", BreachKind.NEVER_APPEARED, "")]
    assert "k-1" in (watched.guard.breaches.error() or "")
    await watched.scan(after=1000)
    assert len(watched.sounded) == 1
    assert (
        watched.guard.breaches.figures()["never_appeared"]
        == watched.guard.breaches.figures()["open"]
        == 1
    )


async def test_a_recording_that_appears_in_time_is_none_and_then_it_may_be_silent_for_hours(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.scan(watched.seen())
    for _ in range(3):
        await watched.guard.look()
        await watched.scan(watched.seen(), after=3600)
    await watched.scan(watched.seen(locked=False, finished=Evidence.LOCK_GONE, ended_at=1.0))
    await watched.scan(after=3600)
    assert not watched.breaches()


async def test_a_breach_is_over_when_a_recording_appears_that_was_asked_for(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.guard.allow(a_session("k-2"))
    counted = metrics.counted("kasm_recd_breaches_total", kind="never_appeared")
    await watched.scan(watched.seen("somebody-elses", inode=9), after=APPEAR_WITHIN)
    assert {kind for _, kind, _ in watched.breaches()} == {BreachKind.NEVER_APPEARED}
    assert metrics.counted("kasm_recd_breaches_total", kind="never_appeared") == counted + 2
    assert watched.guard.breaches.error(), "a recording that nobody asked for proves nothing"
    await watched.scan(watched.seen("k-2"))
    assert watched.guard.breaches.error() is None
    assert {by for _, _, by in watched.breaches()} == {Settled.RECORDED}


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_live_recording_that_is_not_left_alone_is_a_breach(
    watched: Watched, a_session: Callable[..., Session], loss: Loss
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.scan(watched.seen())
    # What shrank or was replaced is sighted as new in the same scan: that settles nothing.
    again = () if loss is Loss.VANISHED else (watched.seen(recording=None),)
    await watched.scan(*again, lost={watched.recording().id: loss})
    assert watched.breaches() == [("k-1", guards.LOSSES[loss], "")]
    await watched.scan(watched.seen("k-1", inode=5))
    assert watched.breaches() == [("k-1", guards.LOSSES[loss], Settled.RECORDED)]


async def test_what_vanishes_after_its_session_or_with_the_machine_is_no_breach(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.scan(watched.seen())
    await watched.scan(watched.seen("k-2", inode=5))
    first, second = watched.journal.recordings()
    await watched.journal.move_recording(first.id, RecordingEvent.FINISH)
    await watched.scan(lost={first.id: Loss.VANISHED})
    await watched.restart(boot_id="boot-2")
    await watched.scan(lost={second.id: Loss.VANISHED})
    assert not watched.breaches()


async def test_breaches_and_what_is_waited_for_survive_a_restart_with_time_given_anew(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.restart(away_s=10 * APPEAR_WITHIN)
    await watched.scan()
    assert not watched.breaches(), "it may have begun to record while we were away"
    await watched.scan(after=APPEAR_WITHIN)
    assert watched.breaches() == [("k-1", BreachKind.NEVER_APPEARED, "")]
    await watched.restart()
    assert watched.guard.breaches.error()
    assert len(watched.sounded) == 2, "the command was not known to have been run: it is run again"
    await watched.journal.note_told(watched.sounded[0].id)
    await watched.restart()
    assert len(watched.sounded) == 2


@pytest.mark.parametrize(("away_s", "boot_id"), [(guards.FORGET_S + 1, BOOT), (1.0, "boot-2")])
async def test_a_session_of_long_ago_or_of_another_boot_is_not_waited_for(
    watched: Watched, a_session: Callable[..., Session], away_s: float, boot_id: str
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.restart(away_s=away_s, boot_id=boot_id)
    await watched.scan(after=1000)
    assert not watched.breaches()
    assert not watched.journal.watches()


async def test_a_session_that_was_admitted_before_there_was_a_watch_is_not_waited_for(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    await watched.journal.admit(a_session("k-1"))
    await watched.restart()
    await watched.scan(after=1000)
    assert not watched.breaches()


async def test_a_session_that_is_allowed_again_under_its_old_name_is_watched_anew(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.scan(watched.seen())
    await watched.scan(watched.seen(locked=False, finished=Evidence.LOCK_GONE, ended_at=1.0))
    await watched.guard.allow(a_session("k-1"))
    await watched.scan(after=APPEAR_WITHIN)
    assert watched.breaches() == [("k-1", BreachKind.NEVER_APPEARED, "")]


async def test_a_repeated_request_for_a_session_that_is_being_recorded_is_no_breach(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.scan(watched.seen())
    await watched.guard.allow(a_session("k-1"))
    await watched.scan(watched.seen(), after=1000)
    assert not watched.breaches()


async def test_standing_still_is_a_breach_on_a_full_disk_alone_and_until_it_grows(
    watched: Watched, a_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: dict[int, int] = {}
    monkeypatch.setattr(guards, "_sizes_without_room", lambda _live: dict(sizes))
    await watched.guard.allow(a_session("k-1"))
    for _ in range(2):
        await watched.scan(watched.seen())
    await watched.guard.look()
    sizes[watched.recording().id] = 1000
    await watched.guard.look()
    assert not watched.breaches(), "one look sees no standing still"
    watched.pass_time(guards.LOOK_S)
    await watched.guard.look()
    assert watched.breaches() == [("k-1", BreachKind.STALLED, "")]
    await watched.restart()
    await watched.scan(watched.seen())
    assert watched.guard.breaches.error(), "it still has the size that it had"
    await watched.scan(watched.seen(size=1001))
    assert watched.breaches() == [("k-1", BreachKind.STALLED, Settled.RECORDED)]


def test_a_recording_that_grows_on_a_full_disk_does_not_stand_still() -> None:
    stalls = Stalls()
    assert stalls.note({1: 10, 2: 7}, 0.0) == []
    assert stalls.note({1: 11, 2: 7}, 1.0) == [2]
    assert stalls.note({1: 11}, 2.0) == [1]
    assert stalls.note({}, 3.0) == []
    assert stalls.note({1: 11}, 4.0) == [], "there was room in between"


async def test_a_torn_instruction_is_said_once_a_recording_and_refuses_nobody(
    watched: Watched, seal_one: SealOne
) -> None:
    for length in (1000, 500):
        await watched.guard.sealed(await seal_one(watched.journal, length=length))
    assert watched.breaches() == [("k-1", BreachKind.TORN, Settled.NOTED)]
    assert watched.guard.breaches.error() is None
    assert "17 to 23" in watched.sounded[0].detail


async def test_an_operator_settles_the_breaches_of_one_session(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    for kasm_id in ("k-1", "k-2"):
        await watched.guard.allow(a_session(kasm_id))
    await watched.scan(after=APPEAR_WITHIN)
    assert [each.kasm_id for each in await watched.guard.breaches.settle("k-1")] == ["k-1"]
    assert "k-2" in (watched.guard.breaches.error() or "")
    assert (
        await watched.guard.breaches.settle("k-1")
        == await watched.guard.breaches.settle("unknown")
        == []
    )
    await watched.guard.breaches.settle("k-2")
    assert watched.guard.breaches.error() is None


async def test_an_open_breach_is_never_forgotten_and_a_settled_one_is(
    watched: Watched, a_session: Callable[..., Session]
) -> None:
    await watched.guard.allow(a_session("k-1"))
    await watched.scan(after=APPEAR_WITHIN)
    await watched.journal.prune(before=watched.clock.now + 1)
    assert len(watched.journal.breaches()) == 1
    await watched.guard.breaches.settle("k-1")
    await watched.journal.prune(before=watched.clock.now + 1)
    assert not watched.journal.breaches()
    assert watched.journal.session("k-1") is None
