"""The admission desk: the socket, and the facts that answers are given from.

Facts are measured once a second in a thread of their own. A disk that hangs makes them old, and old
facts refuse.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from kasm_recd import disk
from kasm_recd.admission import AdmissionServer, Facts, Room, handed_over, listen
from kasm_recd.admission.exposition import MetricsSite
from kasm_recd.admission.verdict import verdict
from kasm_recd.errors import EncoderMissing, JournalCorrupt
from kasm_recd.gauges import gauges
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kasm_recd.metrics import Gauges
    from kasm_recd.recorder import Recorder
    from kasm_recd.segment import Session
    from kasm_recd.settings import Settings

log = get_logger(__name__)

MEASURE_S: Final = 1.0
UNKNOWN: Final = Facts(
    at=-math.inf,
    recording_dir="",
    recording_room=None,
    spool_room=None,
    min_free=0,
    disk_limit=0.0,
)


class Desk:
    """Answers for the recorder that :meth:`attend` names; without one, refuses."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: AdmissionServer | None = None
        self._exposed = MetricsSite(self.gauges)
        self._settings: Settings | None = None
        self._recorder: Recorder | None = None
        self._measured = UNKNOWN
        self._draining = False
        self._journal_error: str | None = None
        #: Why the settings that were read last are not in force; None when they are.
        self.settings_error: str | None = None

    async def open(self) -> None:
        """Answers from now on; raises SocketTaken."""
        self._server = AdmissionServer(
            handed_over(os.environ) or listen(self._socket),
            facts=self.facts,
            register=self._register,
            status=self.status,
            drain=self._drain,
            gauges=self.gauges,
        )
        await self._server.start()

    async def close(self) -> None:
        """Finishes the answers under way and gives the socket up."""
        await self._exposed.close()
        if self._server is not None:
            await self._server.close()

    def attend(self, settings: Settings, recorder: Recorder) -> None:
        """Answers for this recorder from the next measurement on."""
        self._settings, self._recorder = settings, recorder
        self._journal_error = None

    def leave(self, error: Exception | None = None) -> None:
        """There is no recorder; ``error`` says why where that is the journal's fault."""
        self._recorder = None
        self._measured = UNKNOWN
        if isinstance(error, JournalCorrupt):
            self._journal_error = f"{error} {error.hint}"

    def facts(self) -> Facts:
        """What is known now."""
        measured = self._measured
        return Facts(
            at=measured.at,
            recording_dir=measured.recording_dir,
            recording_room=measured.recording_room,
            spool_room=measured.spool_room,
            min_free=measured.min_free,
            disk_limit=measured.disk_limit,
            recording_dir_error=measured.recording_dir_error,
            storage_error=measured.storage_error,
            encoder_error=measured.encoder_error,
            settings_error=self.settings_error,
            journal_error=self._journal_error,
            unrecorded_error=self._recorder.guard.error() if self._recorder else None,
            draining=self._draining,
        )

    async def look(self) -> NoReturn:
        """Measures once a second, until cancelled."""
        while True:
            settings, recorder = self._settings, self._recorder
            if settings is not None:
                await self._exposed.listen_on(settings.metrics_listen)
            if settings is not None and recorder is not None:
                found = await asyncio.to_thread(measure, settings, recorder)
                if recorder is self._recorder:
                    self._measured = found
            await asyncio.sleep(MEASURE_S)

    def status(self) -> Mapping[str, Any]:
        """Figures for ``kasm-recd status``."""
        decision = verdict(self.facts(), time.monotonic())
        rooms = (self._measured.recording_room, self._measured.spool_room)
        return {
            "healthy": decision.allow,
            "refusing": decision.reason,
            "message": decision.message,
            "draining": self._draining,
            "disk": {
                room.folder: f"{room.available} bytes free, {room.used_fraction:.0%} used"
                for room in rooms
                if room is not None
            },
            **(self._recorder.figures() if self._recorder else {}),
        }

    def gauges(self) -> Gauges:
        """Figures for Prometheus."""
        rooms = (self._measured.recording_room, self._measured.spool_room)
        return gauges(self.status(), rooms, now=time.time())

    def summary(self) -> str:
        """One line for ``systemctl status``."""
        decision = verdict(self.facts(), time.monotonic())
        if self._recorder is None:
            return f"refusing recorded sessions: {decision.message}"
        figures = self._recorder.figures()
        work = (
            f"{figures['recordings_open']} recordings, "
            f"{figures['bytes_at_risk'] / 1e6:.1f} MB waiting to be stored"
        )
        return work if decision.allow else f"refusing: {decision.message} ({work})"

    async def _register(self, session: Session) -> Session:
        if self._recorder is None:
            raise JournalCorrupt("no recorder is running")
        return await self._recorder.guard.allow(session)

    def _drain(self) -> None:
        self._draining = True


def measure(settings: Settings, recorder: Recorder) -> Facts:
    """Everything that only a look at the disks can tell; for a thread, since a look may hang."""
    at = time.monotonic()
    return Facts(
        at=at,
        recording_dir=str(settings.recording_dir),
        recording_room=_room(settings.recording_dir),
        spool_room=_room(settings.spool_dir),
        min_free=settings.min_free,
        disk_limit=settings.session_recording_guac_disk_limit,
        recording_dir_error=_folder_error(settings.recording_dir),
        storage_error=_storage_error(settings),
        encoder_error=_encoder_error(settings, recorder),
    )


def _room(folder: Path) -> Room | None:
    try:
        found = disk.free(folder)
    except OSError:
        return None
    return Room(str(folder), found.available, found.used_fraction)


def _folder_error(folder: Path) -> str | None:
    if not folder.is_dir():
        return f"The recording folder {folder} does not exist."
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"The daemon cannot read and write the recording folder {folder}."
    return None


def _storage_error(settings: Settings) -> str | None:
    """A folder must be there or makeable; whether a bucket answers is the uploads' business."""
    target = settings.location.target
    if target.scheme != "file":
        return None
    folder = Path(target.folder)
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return f"Clips cannot be stored in {target.folder}: {folder} is not writable."
    return None


def _encoder_error(settings: Settings, recorder: Recorder) -> str | None:
    wanted = "native" if settings.encoder == "auto" else settings.encoder
    try:
        recorder.encoders[wanted].available()
    except EncoderMissing as error:
        return f"{error} ({error.hint})"
    return None
