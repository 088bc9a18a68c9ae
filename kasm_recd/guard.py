"""The watch over guacd: a session that was to be recorded, and is not, is a breach.

guacd fails open and says nothing, so it is held to what it leaves in the folder: after an allow a
recording appears; while the session lives it is not deleted, shrunk or replaced, and does not stand
still on a full disk. What is said of a breach, and to whom: :mod:`kasm_recd.open_breaches`.

Time is given anew where we were away: after a start of the daemon every watch has its full time,
one from another boot of the machine, or of long ago, is dropped, and nothing is ever said before a
whole scan was made.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from kasm_recd import disk
from kasm_recd.breach import BreachKind
from kasm_recd.log import get_logger
from kasm_recd.open_breaches import OpenBreaches
from kasm_recd.stalling import NO_ROOM, Stalls
from kasm_recd.states import RecordingState
from kasm_recd.watcher import Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kasm_recd.breach import Breach, Watch
    from kasm_recd.journal import Journal
    from kasm_recd.recording import Identity, Recording
    from kasm_recd.segment import Segment
    from kasm_recd.session import Session
    from kasm_recd.watcher import Scan, Sighting

log = get_logger(__name__)

LOOK_S: Final = 1.0  # between two looks at the room under live recordings
#: Watches older than this at a start are dropped, in s: their sessions came and went without us.
FORGET_S: Final = 3600.0
LOSSES: Final = {
    Loss.VANISHED: BreachKind.DELETED,
    Loss.SHRUNK: BreachKind.SHRUNK,
    Loss.REPLACED: BreachKind.REPLACED,
}


@dataclass(frozen=True, slots=True)
class Live:
    """A recording that somebody writes, as the last scan saw it."""

    recording: Recording
    path: Path
    size: int


class Guard:
    """Fed by the intake, and by who reads what was cut; looks at the disk by itself."""

    def __init__(
        self,
        *,
        journal: Journal,
        appear_within_s: float,
        scan_interval_s: float,
        boot_id: str,
        sound: Callable[[Breach], None],
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``sound`` is told of each breach, and must not wait."""
        self.breaches = OpenBreaches(journal, sound)
        self._journal = journal
        self._appear_within_s = appear_within_s
        # So that it is said within appear_within: a scan is due, and takes its time.
        self._patience_s = max(appear_within_s / 2, appear_within_s - scan_interval_s - LOOK_S)
        self._boot_id = boot_id
        self._now = now
        self._monotonic = monotonic
        self._begun = False
        self._due: dict[int, float] = {}  # session -> when its recording must be there, monotonic
        self._live: dict[int, Live] = {}
        self._stalls = Stalls()
        self._lost: set[tuple[int, int, int]] = set()  # files that were lost in this scan

    async def begin(self) -> None:
        """At a start: what was waited for is waited for anew, and untold breaches are told."""
        for watch in self._journal.watches():
            if watch.boot_id == self._boot_id and self._now() - watch.allowed_at <= FORGET_S:
                self._due[watch.session_id] = self._monotonic() + self._patience_s
            else:
                await self._journal.end_watch(watch.session_id)
                log.info("session.watch_lapsed", allowed_at=watch.allowed_at)
        self._begun = True
        self.breaches.tell()

    async def allow(self, session: Session) -> Session:
        """Admits a session and watches for its recording; raises as :meth:`Journal.admit`."""
        admitted = await self._journal.allow(session, boot_id=self._boot_id)
        self._due[admitted.id] = self._monotonic() + self._patience_s
        return admitted

    def awaits(self, session_id: int) -> bool:
        """Whether a session's recording may still be to come; not known before the beginning."""
        return not self._begun or session_id in self._due

    def again(self, session_id: int) -> bool:
        """The session is allowed once more: its recording has time anew; false: it appeared."""
        if session_id not in self._due:
            return False
        self._due[session_id] = self._monotonic() + self._patience_s
        return True

    async def disallow(self, session_id: int) -> None:
        """The allow was never told: nothing is waited for; raises as the journal's verbs do."""
        self._due.pop(session_id, None)
        await self._journal.end_watch(session_id)

    async def appeared(self, recording: Recording) -> None:
        """A recording that was not there before; one of a session that was asked for settles."""
        session = self._journal.owner(recording)
        if self._due.pop(session.id, None) is not None:
            await self._journal.end_watch(session.id)
        if session.announced and _file(recording.identity) not in self._lost:
            is_full = await asyncio.to_thread(_has_no_room, Path(recording.path))
            await self.breaches.recorded(
                breach
                for breach in self.breaches.all()
                if not (is_full and breach.kind is BreachKind.STALLED)
            )

    async def lost(self, recording: Recording, loss: Loss) -> None:
        """A recording is no longer what it was; of a session that lives, that is a breach."""
        self._lost.add(_file(recording.identity))
        self._live.pop(recording.id, None)
        if recording.state is not RecordingState.GROWING or recording.boot_id != self._boot_id:
            return
        detail = f"{recording.path}: {loss} after {recording.consumed} bytes were cut"
        await self.breaches.add(recording.session_id, LOSSES[loss], detail, recording)

    async def taken(self, scan: Scan) -> None:
        """A whole scan was taken in: what has not appeared by now is overdue."""
        self._lost.clear()
        self._live = {
            each.recording.id: Live(each.recording, each.path, each.size)
            for each in scan.sightings
            if each.recording is not None and _is_live(each)
        }
        began = scan.at - scan.clock.offset_s
        overdue = any(due < began for due in self._due.values())
        for watch in self._journal.watches() if overdue else ():
            if self._due.get(watch.session_id, began) < began:
                del self._due[watch.session_id]
                await self._judge(watch)
        await self._settle_stalls()

    async def sealed(self, segment: Segment) -> None:
        """A segment was read: an instruction in it that is not whole is said, once a recording.

        The end of a recording may be torn because guacd was killed; that is no failed write.
        """
        torn = [each for each in segment.contents.damage if each.kind == "invalid"]
        if torn:
            recording = self._journal.source(segment)
            detail = f"{recording.path}: bytes {torn[0].start} to {torn[0].end}: {torn[0].reason}"
            await self.breaches.add(segment.session_id, BreachKind.TORN, detail, recording)

    async def run(self) -> NoReturn:
        """Looks at the disks under live recordings until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """One look; raises as the journal's verbs do."""
        live = self._live
        sizes = await asyncio.to_thread(_sizes_without_room, live.values())
        for recording_id in self._stalls.note(sizes, self._monotonic()):
            recording = live[recording_id].recording
            size = sizes[recording_id]
            detail = f"{recording.path}: it stays at {size} bytes, and its disk is full"
            await self.breaches.add(
                recording.session_id, BreachKind.STALLED, detail, recording, size
            )

    async def _judge(self, watch: Watch) -> None:
        """What became of an allow whose time is over."""
        recordings = self._journal.recordings_of(watch.session_id)
        if any(
            each.id > watch.after_recording or each.state is RecordingState.GROWING
            for each in recordings
        ):
            await self._journal.end_watch(watch.session_id)
            return
        session = self._journal.session_by_id(watch.session_id)
        name = session.recording_name if session else ""
        detail = f"no recording {name!r} within {self._appear_within_s:g} s"
        await self.breaches.add(watch.session_id, BreachKind.NEVER_APPEARED, detail, None)

    async def _settle_stalls(self) -> None:
        """One that has ended, or grew since, is over."""
        over = []
        for breach in self.breaches.all():
            if breach.kind is not BreachKind.STALLED:
                continue
            live = self._live.get(breach.recording_id or 0)
            recording = self._journal.recording(breach.recording_id or 0)
            ended = recording is None or recording.state is not RecordingState.GROWING
            if ended or (live is not None and live.size > (breach.size or 0)):
                over.append(breach)
        await self.breaches.recorded(over)


def _is_live(sighting: Sighting) -> bool:
    return sighting.locked or bool(sighting.open_for_writing)


def _file(identity: Identity) -> tuple[int, int, int]:
    return identity.device, identity.inode, identity.birth_ns


def _has_no_room(path: Path) -> bool:
    try:
        return disk.free(path.parent).available < NO_ROOM
    except OSError:
        return False


def _sizes_without_room(live: Iterable[Live]) -> dict[int, int]:
    """Bytes of each recording of which the disk is full, by its id; for a thread."""
    full: dict[Path, bool] = {}
    sizes = {}
    for each in live:
        folder = each.path.parent
        if folder not in full:
            full[folder] = _has_no_room(each.path)
        if full[folder]:
            try:
                sizes[each.recording.id] = disk.status_of(each.path).size
            except OSError:
                continue  # the scan says what became of it
    return sizes
