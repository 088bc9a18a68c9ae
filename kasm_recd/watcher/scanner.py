"""One look at the folder after the other: what lies there, held against what was known.

Little is done for a file that only grows: open, status, lock, close. Its head is hashed at first
sight, when it was shorter than the 4,096 bytes that count and has grown, and when its lock changed
hands or is gone, since the same file may hold another recording by then.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kasm_recd import disk
from kasm_recd.log import get_logger
from kasm_recd.watcher.beginning import LOOKED_AT, begins_recording
from kasm_recd.watcher.changes import grew_again, loss_of
from kasm_recd.watcher.known import Known
from kasm_recd.watcher.sighting import Loss, Scan, Sighting
from kasm_recd.watcher.track import Moment, Track
from kasm_recd.watcher.walk import Complaints, Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kasm_recd.clock import Clock
    from kasm_recd.disk import FileKey, Lock, Status
    from kasm_recd.recording import Recording
    from kasm_recd.watcher.finished import Patience
    from kasm_recd.watcher.hints import Closing

log = get_logger(__name__)

#: Between listing and look a file may go, or turn into something that is never opened.
_GONE: Final = frozenset({errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class _Round:
    """What one scan goes by, and what it gathers."""

    now: Moment
    known: Known
    closes: Mapping[str, Closing]
    walk: Walk
    sightings: list[Sighting] = field(default_factory=list)
    foreign: dict[Path, Status] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that is being looked at, and the recording that it is known as."""

    path: Path
    descriptor: int
    status: Status
    lock: Lock | None
    recording: Recording | None


class Scanner:
    """Remembers the files of a folder from scan to scan; for one thread at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        patience: Patience,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._patience = patience
        self._clock = clock
        self._monotonic = monotonic
        self._complaints = Complaints()
        self._tracks: dict[FileKey, Track] = {}
        self._foreign: dict[Path, Status] = {}
        self._missing: set[int] = set()
        self._last_scan = 0.0

    def scan(self, known: Iterable[Recording], closes: Mapping[str, Closing]) -> Scan:
        """Looks at every file; ``closes`` are by path below the folder, since the last scan."""
        reading = self._clock.now()
        now = Moment(self._monotonic(), reading.realtime)
        this = _Round(now, Known(known), closes, Walk(self._folder, self._complaints))
        try:
            for path in this.walk.files():
                self._look_at(path, this)
        except OSError as error:
            return Scan(reading, folder_error=f"The recording folder cannot be read: {error}")
        self._settle(this)
        return Scan(reading, tuple(this.sightings), this.known.lost, self._folder_error())

    def _look_at(self, path: Path, this: _Round) -> None:
        try:
            foreign = self._foreign.get(path) if self._foreign else None
            if foreign is not None and disk.status_of(path) == foreign:
                this.foreign[path] = foreign
                return
            descriptor = disk.open_to_look(path)
            try:
                self._examine(path, descriptor, this)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _GONE:
                this.known.see_at(path)
                self._complaints.about("recording.unreadable", path, error=str(error))

    def _examine(self, path: Path, descriptor: int, this: _Round) -> None:
        lock = disk.lock_of(descriptor)  # before the size: without a lock that is the last word
        status = disk.status_of(descriptor)
        if not status.regular or not status.links:
            return
        recording = this.known.match(status, descriptor)
        if status.links > 1:
            self._complaints.about("file.refused", path, reason="it has several names (hard links)")
            return
        track = self._tracks.get(status.file)
        if track is not None and track.looked_at == this.now.monotonic:
            return  # renamed during the scan, and met under both names
        loss = loss_of(recording, track, status, lock, descriptor)
        if loss is not None:
            track = None
            if recording is not None:
                this.known.lost[recording.id] = loss
                recording = None
        track = track or self._begin(path, descriptor, status, this)
        if track is not None:
            if loss is Loss.REPLACED:
                track.overwritten = status.size
            found = _Found(path, descriptor, status, lock, recording)
            this.sightings.append(self._sight(found, track, this))

    def _begin(self, path: Path, descriptor: int, status: Status, this: _Round) -> Track | None:
        """A new track, if the file begins like a recording; without bytes it does not yet."""
        self._tracks.pop(status.file, None)
        begins = begins_recording(os.pread(descriptor, LOOKED_AT, 0))
        if begins:
            track = Track(disk.identify(descriptor), status.size, grew_at=this.now.monotonic)
            self._tracks[status.file] = track
            return track
        if begins is False:
            this.foreign[path] = status
            if path not in self._foreign:
                log.info("file.ignored", path=str(path), reason="it is no recording")
        return None

    def _sight(self, found: _Found, track: Track, this: _Round) -> Sighting:
        if this.closes:
            below = str(found.path.relative_to(self._folder))
            track.closing = this.closes.get(below) or track.closing
        if found.recording is not None and found.recording.lock_seen:
            track.lock_seen = True
        grown = track.look(found.status, found.lock, this.now.monotonic)
        if track.head_may_grow:
            track.identity = disk.identify(found.descriptor)
        open_for_writing = self._judge(found, track, this)
        return Sighting(
            path=found.path,
            identity=track.identity,
            size=found.status.size,
            allocated=found.status.allocated,
            mtime=found.status.modified_ns / 1e9,
            at=this.now.realtime,
            locked=found.lock is not None,
            lock_pid=found.lock.pid if found.lock else None,
            lock_seen=track.lock_seen,
            open_for_writing=open_for_writing,
            recording=found.recording,
            finished=track.finished,
            grew_again=grew_again(found.recording, track, grown=grown),
            ended_at=track.ended_at,
            end_known=track.end_known,
            overwritten=track.overwritten,
        )

    def _judge(self, found: _Found, track: Track, this: _Round) -> bool | None:
        """Whether the recording has ended; gives what was asked for that: is it still open?"""
        if found.lock is not None or track.finished is not None:
            return None
        open_for_writing = None
        if not track.lock_seen:
            open_for_writing = disk.is_open_for_writing(found.descriptor)
        track.judge(
            found.status, this.now, open_for_writing=open_for_writing, patience=self._patience
        )
        return open_for_writing

    def _settle(self, this: _Round) -> None:
        """Says what vanished, and forgets what is gone.

        A file that is moved from one sub-folder to another during a scan may be missed by it: only
        the second time in a row counts. So does a file system that is not mounted: never.
        """
        if this.walk.complete:
            missing = set()
            for recording in this.known.unseen():
                if recording.identity.device not in this.walk.devices:
                    self._complaints.about(
                        "recording.out_of_reach",
                        Path(recording.path),
                        hint="Its file system is not below the recording folder. Is it mounted?",
                    )
                elif recording.id in self._missing:
                    this.known.lost[recording.id] = Loss.VANISHED
                else:
                    missing.add(recording.id)
            self._missing = missing
        self._tracks = {
            file: track
            for file, track in self._tracks.items()
            if track.looked_at >= self._last_scan
        }
        self._last_scan = this.now.monotonic
        self._foreign = this.foreign
        self._complaints.end_round()

    def _folder_error(self) -> str | None:
        if os.access(self._folder, os.W_OK | os.X_OK, effective_ids=True):
            return None
        return f"The recording folder {self._folder} cannot be written; nothing could be removed."
