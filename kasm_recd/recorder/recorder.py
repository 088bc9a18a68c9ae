r"""The parts of a recorder with valid settings: built, started in order, stopped in reverse.

The way of the data, as wired here::

    watcher -> intake -> segmenter -> encode slots (replay, encode) -> upload slots -> retention
         \________________________________ journal ________________________________/

What was under way when the last daemon ended is put back first, from the journal.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

from kasm_recd import disk, process
from kasm_recd.alarm import Alarm
from kasm_recd.ballast import Ballast, Plan
from kasm_recd.clock import Clock
from kasm_recd.errors import DiskFull
from kasm_recd.guard import Guard
from kasm_recd.intake import Intake
from kasm_recd.journal import Journal
from kasm_recd.log import get_logger
from kasm_recd.recorder import building
from kasm_recd.recorder.handing_back import HandBack
from kasm_recd.recorder.looks import Looks
from kasm_recd.recorder.stages import Stages
from kasm_recd.retention import Retention
from kasm_recd.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kasm_recd.encoder import Encoder
    from kasm_recd.settings import Settings

log = get_logger(__name__)


class Recorder:
    """All parts, around one journal; made anew when the settings change."""

    def __init__(self, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        """Opens the journal and puts back what was under way.

        Raises:
            JournalLocked: another daemon works on this spool.
            JournalCorrupt: the journal cannot be trusted.
            DiskFull: there is no room to open it; the ballast's is there at the next start.
            OSError: the spool cannot be made.
        """
        self._settings = settings
        self._now = now
        self._stop = threading.Event()
        spool = settings.spool_dir
        building.make_spool(spool)
        # A cut of the usual size must have room again before the ballast is made again.
        floor = max(settings.min_free, settings.segment_size)
        self.ballast = Ballast(spool, Plan(settings.ballast_size, floor).for_disk(spool))
        self.ballast.look()
        empty = not any((spool / "segments").iterdir())
        try:
            self.journal = Journal.open(spool / building.JOURNAL_NAME, clock=now, make=empty)
        except DiskFull:
            self.ballast.look(refused=True)
            raise
        self._build()

    def _build(self) -> None:
        settings, journal = self._settings, self.journal
        kick, refused = asyncio.Event(), asyncio.Event()
        self._alarm = Alarm(settings.on_breach, journal=journal)
        self.guard = self._build_guard()
        hand_back = HandBack(expect_own_close=self._expect_own_close)
        self.stages = Stages(
            settings,
            journal=journal,
            ballast=self.ballast,
            hand_back=hand_back.punch,
            guard=self.guard,
            kick=kick,
            refused=refused,
            stop=self._stop,
            now=self._now,
        )
        self.intake = Intake(
            journal=journal,
            on_finished=self.stages.queues.offer_cut,
            on_growing=self.stages.roll_when_due,
            watch=self.guard,
            now=self._now,
        )
        self.watcher = self._build_watcher()
        self.looks = Looks(
            journal=journal,
            ballast=self.ballast,
            retention=self._build_retention(),
            stages=self.stages,
            kick=kick,
            refused=refused,
        )

    def _build_guard(self) -> Guard:
        return Guard(
            journal=self.journal,
            appear_within_s=self._settings.appear_within,
            scan_interval_s=self._settings.scan_interval,
            boot_id=Clock().now().boot_id,
            sound=self._alarm.sound,
            now=self._now,
        )

    def _build_watcher(self) -> Watcher:
        return Watcher(
            self._settings.recording_dir,
            interval_s=self._settings.scan_interval,
            finish_quiet_s=self._settings.finish_quiet,
            finish_quiet_unseen_s=self._settings.finish_quiet_unseen,
            on_scan=self.intake.take,
            known=self.intake.known,
        )

    def _build_retention(self) -> Retention:
        return Retention(
            journal=self.journal,
            spool=self._settings.spool_dir,
            retention_s=self._settings.retention,
            attempts_since_start=self.stages.uploading.attempts_since_start,
            now=self._now,
        )

    def _expect_own_close(self, path: Path) -> None:
        self.watcher.expect_own_close(path)

    @property
    def encoders(self) -> Mapping[str, Encoder]:
        """Every encoder by its name, whether this machine has its programs or not."""
        return self.stages.encoders

    async def run(self) -> NoReturn:
        """Works until cancelled; any part that fails ends them all."""
        try:
            with process.kept_warm():
                await self._recover()
                async with asyncio.TaskGroup() as group:
                    queues = self.stages.queues
                    group.create_task(queues.cuts.run(), name="cuts")
                    group.create_task(queues.encodes.run(), name="encodes")
                    group.create_task(queues.uploads.run(), name="uploads")
                    self.looks.start(group)
                    group.create_task(self._alarm.run(), name="alarm")
                    group.create_task(self.guard.run(), name="guard")
                    group.create_task(self.watcher.run(), name="watcher")
        except (ExceptionGroup, DiskFull, OSError) as error:
            if disk.says_full(error):  # most often the journal: the next start has to write
                await asyncio.to_thread(self.ballast.look, refused=True)
            raise
        raise AssertionError("the parts ended without being asked to")

    async def close(self) -> None:
        """Lets stores and journal go; the parts have ended, and nobody asks for figures now."""
        self._stop.set()
        self.stages.uploading.close()
        await self.journal.close()

    async def _recover(self) -> None:
        """Boot: end what a crash left, clear its folders, put its work back into the queues."""
        recovered = await self.journal.recover()
        for attempt in recovered.attempts:
            if attempt.pid is None or attempt.started is None:
                continue
            if process.end_leftover(process.ChildId(attempt.pid, attempt.started)):
                log.warning("worker.leftover_ended", pid=attempt.pid)
        for folder in (self._settings.spool_dir / "attempts").iterdir():
            await asyncio.to_thread(disk.clear, folder)
        await self.guard.begin()
        await self.stages.trial.run(self._settings.spool_dir / "attempts" / "trial")
        waiting = self.stages.offer_all()
        log.info("daemon.recovered", segments=waiting, busy=len(recovered.segments))

    def silent_parts(self, *, patience_s: float) -> list[str]:
        """Parts that gave no sign of life for ``patience_s`` seconds."""
        now = time.monotonic()
        silent = []
        if now - self.watcher.last_scan_at > patience_s + self._settings.scan_interval:
            silent.append("watcher")
        if self.looks.silent_s(now) > patience_s:
            silent.append("journal")
        return silent

    def figures(self) -> dict[str, Any]:
        """What ``status`` shows of the work."""
        return {
            "segments": self.journal.counts(),
            "recordings_open": self.journal.recordings_open(),
            "bytes_at_risk": self.journal.bytes_at_risk(),
            "bytes_pinned": self.intake.pinned,
            "oldest_unstored_at": self.journal.oldest_unstored(),
            "breaches": self.guard.breaches.figures(),
            "pressure": self.stages.relief.figures(),
            "queues": self.stages.queues.figures(),
            "destinations": {
                name: {"failures": found.failures, "last_error": found.last_error}
                for name, found in self.stages.uploading.destinations.items()
            },
        }
