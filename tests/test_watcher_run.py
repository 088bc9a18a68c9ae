"""The watch as the daemon runs it."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from watchdog.utils import BaseThread

from kasm_recd.watcher import Evidence, Scan, Sighting, Watcher
from kasm_recd.watcher.hints import Hints
from kasm_recd.watcher.watcher import SCAN_SHARE, SHORTEST_REST_S
from tests.fixtures_guacd import TINY, GuacdWriter
from tests.values import make_recording

if TYPE_CHECKING:
    from kasm_recd.recording import Recording

Start = Callable[..., GuacdWriter]
DEADLINE_S = 15.0
NEVER_S = 600.0  # an interval that no test sees the end of


class Runner:
    """A running watcher and what it told."""

    def __init__(self, folder: Path, interval_s: float) -> None:
        self.folder = folder
        self.scans: list[Scan] = []
        self.known: list[Recording] = []
        self._told = asyncio.Event()
        self.watcher = Watcher(
            folder,
            interval_s=interval_s,
            finish_quiet_s=30,
            finish_quiet_unseen_s=3600,
            on_scan=self.take,
            known=lambda: self.known,
        )

    async def take(self, scan: Scan) -> None:
        self.scans.append(scan)
        self._told.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watcher.run())
        try:
            yield
            assert not task.done(), "it ended of itself"
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def until(self, condition: Callable[[Scan], bool]) -> Scan:
        """The first scan, from the last one on, that is so."""
        seen = max(0, len(self.scans) - 1)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for scan in self.scans[seen:]:
                    if condition(scan):
                        return scan
                seen = len(self.scans)
                self._told.clear()
                await self._told.wait()

    async def sighting(self, name: str, **fields: Any) -> Sighting:
        """The first sighting of that file with those fields."""

        def wanted(each: Sighting) -> bool:
            return each.path.name == name and all(
                getattr(each, field) == value for field, value in fields.items()
            )

        scan = await self.until(lambda scan: any(map(wanted, scan.sightings)))
        return next(filter(wanted, scan.sightings))


MakeRunner = Callable[[float], Runner]


@pytest.fixture
def make_runner(tmp_path: Path) -> MakeRunner:
    folder = tmp_path / "recordings"
    folder.mkdir()
    return lambda interval_s: Runner(folder, interval_s)


async def test_inotify_makes_the_next_scan_come_at_once(
    make_runner: MakeRunner, guacd_writer: Start, tiny_recording: Path
) -> None:
    runner = make_runner(NEVER_S)
    async with runner.running():
        await runner.until(lambda _: True)
        writer = guacd_writer(tiny_recording, runner.folder / "session", "--on-command")
        writer.write(500)
        (runner.folder / "hint").touch()  # writing gives none
        seen = await runner.sighting("session", size=500)
        assert seen.locked
        writer.close()
        seen = await runner.sighting("session", finished=Evidence.LOCK_GONE)
    assert seen.end_known


async def test_without_inotify_the_interval_finds_everything(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hints, "ensure", lambda _: None)
    runner = make_runner(0.05)
    async with runner.running():
        await runner.until(lambda _: True)
        (runner.folder / "session").write_bytes(TINY)
        await runner.sighting("session")


async def test_a_hint_is_used_up_by_the_scan_that_it_brings(make_runner: MakeRunner) -> None:
    runner = make_runner(NEVER_S)
    async with runner.running():
        await runner.until(lambda _: True)
        (runner.folder / "session").write_bytes(TINY)
        await runner.sighting("session")
        await asyncio.sleep(5 * SHORTEST_REST_S)
    assert len(runner.scans) <= 3, "the first, the hinted one, and one for a hint that came late"


async def test_a_storm_of_events_does_not_become_a_storm_of_scans(make_runner: MakeRunner) -> None:
    runner = make_runner(NEVER_S)
    began = time.monotonic()
    async with runner.running():
        await runner.until(lambda _: True)
        for number in range(300):
            (runner.folder / str(number)).write_bytes(TINY)
            await asyncio.sleep(0.002)
        await runner.until(lambda scan: len(scan.sightings) == 300)
    assert len(runner.scans) <= 1 + (time.monotonic() - began) / SHORTEST_REST_S


async def test_slow_scans_come_less_often(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(NEVER_S)
    scan_once, slow_s = runner.watcher.scan_once, 0.03

    def slow(known: Any) -> Scan:
        time.sleep(slow_s)
        runner.watcher._wake()  # there is always a hint
        return scan_once(known)

    monkeypatch.setattr(runner.watcher, "scan_once", slow)
    began = time.monotonic()
    async with runner.running():
        await runner.until(lambda _: len(runner.scans) == 3)
    assert time.monotonic() - began >= 2 * slow_s / SCAN_SHARE


async def test_the_interval_is_the_longest_rest_even_of_slow_scans(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(0.01)
    monkeypatch.setattr("kasm_recd.watcher.watcher.SCAN_SHARE", 1e-9)
    async with runner.running():
        await runner.until(lambda _: len(runner.scans) == 3)


async def test_scans_leave_the_event_loop_free_and_know_what_the_journal_knows(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(NEVER_S)
    runner.known = [make_recording()]
    scan_once, calls = runner.watcher.scan_once, []

    def noting(known: Any) -> Scan:
        calls.append((threading.current_thread(), tuple(known)))
        return scan_once(known)

    monkeypatch.setattr(runner.watcher, "scan_once", noting)
    async with runner.running():
        await runner.until(lambda _: True)
    assert calls[0][0] is not threading.main_thread()
    assert calls[0][1] == (make_recording(),)


async def test_a_sign_of_life_is_given_by_scans_alone(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(0.01)
    stuck, scan_once = threading.Event(), runner.watcher.scan_once

    def hanging(known: Any) -> Scan:
        if len(runner.scans) >= 2:
            stuck.wait(DEADLINE_S)
        return scan_once(known)

    monkeypatch.setattr(runner.watcher, "scan_once", hanging)
    before = runner.watcher.last_scan_at
    async with runner.running():
        await runner.until(lambda _: len(runner.scans) == 2)
        await asyncio.sleep(0.05)
        last = runner.watcher.last_scan_at
        assert before < last
        await asyncio.sleep(0.05)
        assert runner.watcher.last_scan_at == last
        stuck.set()
        await runner.until(lambda _: len(runner.scans) == 3)


async def test_what_the_scan_is_told_to_ends_the_watch_when_it_fails(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Scan) -> Awaitable[None]:
        raise LookupError("the journal is closed")

    runner = make_runner(NEVER_S)
    monkeypatch.setattr(runner.watcher, "_on_scan", fail)
    with pytest.raises(LookupError):
        await runner.watcher.run()


async def test_the_end_leaves_no_thread_behind(make_runner: MakeRunner) -> None:
    before = set(threading.enumerate())
    runner = make_runner(NEVER_S)
    async with runner.running():
        await runner.until(lambda _: True)
        assert any(isinstance(thread, BaseThread) for thread in threading.enumerate())
    left = {each for each in threading.enumerate() if isinstance(each, BaseThread)} - before
    for thread in left:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


async def test_a_folder_deleted_and_made_again_is_watched_again(make_runner: MakeRunner) -> None:
    runner = make_runner(0.1)
    async with runner.running():
        await runner.until(lambda scan: scan.folder_error is None)
        shutil.rmtree(runner.folder)
        scan = await runner.until(lambda scan: scan.folder_error is not None)
        assert scan.lost == {}
        runner.folder.mkdir()
        (runner.folder / "session").write_bytes(TINY)
        await runner.sighting("session")
        assert runner.scans[-1].folder_error is None


async def test_a_folder_that_is_not_there_yet_is_waited_for(make_runner: MakeRunner) -> None:
    runner = make_runner(0.05)
    runner.folder.rmdir()
    async with runner.running():
        await runner.until(lambda scan: scan.folder_error is not None)
        runner.folder.mkdir()
        await runner.until(lambda scan: scan.folder_error is None)


async def test_a_session_shorter_than_a_scan_is_seen_whole(
    make_runner: MakeRunner, guacd_writer: Start, tiny_recording: Path
) -> None:
    runner = make_runner(NEVER_S)
    async with runner.running():
        await runner.until(lambda _: True)
        writer = guacd_writer(tiny_recording, runner.folder / "session")
        size = writer.wait_written()
        seen = await runner.sighting("session", size=size, finished=Evidence.NOT_OPEN)
    assert seen.end_known, "the close was seen by inotify"


async def test_every_scan_reads_both_clocks(make_runner: MakeRunner) -> None:
    runner = make_runner(NEVER_S)
    async with runner.running():
        scan = await runner.until(lambda _: True)
    assert scan.clock.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert scan.clock.offset_s == pytest.approx(time.time() - time.monotonic(), abs=1)
    assert scan.at == scan.clock.realtime
