"""The admission desk: the socket, and what answers are given from.

Facts are measured once a second in a thread of their own. A disk that hangs makes them old, and old
facts refuse. While a recorder is being made (after a start, and for new settings) questions wait
for its first facts instead of being refused, but never long.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

from kasm_recd.admission import (
    AdmissionServer,
    Allowed,
    Booking,
    Judge,
    handed_over,
    listen,
)
from kasm_recd.admission.exposition import MetricsSite
from kasm_recd.admission.rate import Rate
from kasm_recd.admission.report import report
from kasm_recd.errors import JournalCorrupt
from kasm_recd.gauges import gauges
from kasm_recd.log import get_logger
from kasm_recd.measuring import gids_of, measure, uids_of
from kasm_recd.outlook import Outlook
from kasm_recd.pauses import pause

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kasm_recd.admission import Facts
    from kasm_recd.breach import Breach
    from kasm_recd.guard import Guard
    from kasm_recd.journal import Journal
    from kasm_recd.metrics import Gauges
    from kasm_recd.recorder import Recorder
    from kasm_recd.session import Session
    from kasm_recd.settings import Settings

log = get_logger(__name__)

MEASURE_S: Final = 1.0
READY_S: Final = 5.0  # how long a question waits for the first facts


class Desk:
    """Answers for the recorder that :meth:`attend` names; without one, refuses."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: AdmissionServer | None = None
        self._exposed = MetricsSite(self.gauges)
        self._settings: Settings | None = None
        self._recorder: Recorder | None = None
        self._measure_now = asyncio.Event()
        self.outlook = Outlook()
        self.judge = Judge(0.0)
        self.allowed = Allowed()
        self.rate = Rate(0.0)

    async def open(self) -> None:
        """Answers from now on; raises SocketTaken."""
        self._server = AdmissionServer(handed_over(os.environ) or listen(self._socket), self)
        await self._server.start()

    async def stop(self) -> None:
        """Accepts nobody any more and answers who was accepted; the journal is still needed."""
        if self._server is not None:
            await self._server.stop()

    async def close(self) -> None:
        """Stops, and gives the socket up."""
        await self._exposed.close()
        if self._server is not None:
            await self._server.close()

    def attend(self, settings: Settings, recorder: Recorder) -> None:
        """Answers for this recorder from its first measurement on; raises JournalCorrupt."""
        self._settings, self._recorder = settings, recorder
        self.outlook.journal_error = None
        # The watch says at the latest by then what became of it.
        hold_s = settings.appear_within + settings.scan_interval + MEASURE_S
        self.judge = Judge(hold_s, _promised(hold_s, recorder.journal))
        self.allowed = Allowed(
            uids_of(settings.admission_users), gids_of(settings.admission_groups)
        )
        self.rate = Rate(settings.admission_rate)
        self._measure_now.set()

    def leave(self, error: Exception | None = None) -> None:
        """There is no recorder; ``error`` says why where that is trouble."""
        self._recorder = None
        self.outlook.forget()
        if error is not None:
            self.outlook.known.set()
        if isinstance(error, JournalCorrupt):
            self.outlook.journal_error = f"{error} {error.hint}"

    async def ready(self) -> None:
        """Returns when there are facts, or it is clear that there will be none soon."""
        known = self.outlook.known
        if known.is_set() or (self.outlook.settings_error and self._recorder is None):
            return
        await pause(known, READY_S)

    def facts(self) -> Facts:
        """What is known now."""
        return self.outlook.facts(self._recorder.guard.breaches.error() if self._recorder else None)

    async def look(self) -> NoReturn:
        """Measures once a second, and at once for a new recorder, until cancelled."""
        while True:
            self._measure_now.clear()
            if self._settings is not None:
                await self._exposed.listen_on(self._settings.metrics_listen)
            settings, recorder = self._settings, self._recorder  # that took its time
            if settings is not None and recorder is not None:
                await self._measure(settings, recorder)
            await pause(self._measure_now, MEASURE_S)

    async def _measure(self, settings: Settings, recorder: Recorder) -> None:
        """The journal is read first: a booking ends only for a recording that is measured then."""
        ledger, live = self.judge.ledger, recorder.journal.live()
        settled = ledger.settled(recorder.guard.awaits)
        found = await asyncio.to_thread(measure, settings, recorder.encoders, live)
        if recorder is not self._recorder:
            return
        ledger.drop(settled, found.facts.at)
        self.outlook.learn(found.facts, found.sizes)

    def forecast_s(self) -> float | None:
        """Seconds until the first of the disks is full; None where none is filling."""
        return self.outlook.forecast_s()

    def status(self) -> Mapping[str, Any]:
        """Figures for ``kasm-recd status``."""
        facts, now = self.facts(), time.monotonic()
        decision = self.judge.look(facts, now)
        return {
            "healthy": decision.allow,
            "refusing": decision.reason,
            "message": decision.message,
            "draining": self.outlook.draining,
            "disk": {
                need.room.folder: f"{need.room.available} bytes free, "
                f"{need.room.used_fraction:.0%} used, {need.bytes} may be needed by "
                f"{need.sessions} sessions"
                for need in self.judge.ledger.needs(facts)
            },
            "disk_full_in_s": self.forecast_s(),
            **(self._recorder.figures() if self._recorder else {}),
        }

    def session(self, kasm_id: str) -> Mapping[str, Any] | None:
        """What became of a session's recording; raises JournalCorrupt where nothing can be told."""
        if self._recorder is None:
            raise JournalCorrupt("no recorder is running")
        return report(self._recorder.journal, kasm_id, now=time.time())

    def gauges(self) -> Gauges:
        """Figures for Prometheus."""
        return gauges(self.status(), self.outlook.rooms, now=time.time())

    def summary(self) -> str:
        """One line for ``systemctl status``."""
        decision = self.judge.look(self.facts(), time.monotonic())
        if self._recorder is None:
            return f"refusing recorded sessions: {decision.message}"
        figures = self._recorder.figures()
        work = (
            f"{figures['recordings_open']} recordings, "
            f"{figures['bytes_at_risk'] / 1e6:.1f} MB waiting to be stored"
        )
        return work if decision.allow else f"refusing: {decision.message} ({work})"

    async def book(self, session: Session) -> Session:
        """Makes a promise durable and watches it; raises NameInUse, JournalCorrupt, DiskFull."""
        return await self._guard().allow(session)

    async def unbook(self, session: Session) -> None:
        """Takes a promise back; raises JournalCorrupt, DiskFull."""
        await self._guard().disallow(session.id)

    async def settle(self, kasm_id: str) -> list[Breach]:
        """Settles a session's open breaches, and gives those; raises JournalCorrupt, DiskFull."""
        return await self._guard().breaches.settle(kasm_id)

    def again(self, session_id: int) -> bool:
        """Gives a promised recording time anew; false where it has appeared."""
        return self._guard().again(session_id)

    def _guard(self) -> Guard:
        if self._recorder is None:
            raise JournalCorrupt("no recorder is running")
        return self._recorder.guard

    def drain(self) -> None:
        """Recorded sessions are refused from now on."""
        self.outlook.draining = True


def _promised(hold_s: float, journal: Journal) -> list[Booking]:
    """What was promised before: the watch gives each of them its whole time again."""
    lapses_at = time.monotonic() + hold_s
    return [
        Booking(each.kasm_id, lapses_at, each.recording_name, each.session_id)
        for each in journal.promises()
    ]
