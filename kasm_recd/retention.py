"""The only place that deletes bytes of a session, and why each may go.

Three reasons, no fourth: a recording of which every byte lies in sealed segments; a segment that
the journal calls ``stored``, which it does only after proof; a segment that could not be stored
before its retention period ended, which is a loss and is said so, file by file, at critical level.

A body stays until the next segment has its preamble; a preamble goes with the segment it opens. Of
the last segment of a recording that goes on, the sidecar stays: it says where the recording was
cut, should the journal be lost.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kasm_recd import disk, metrics, preambles, sidecar
from kasm_recd.log import about, get_logger
from kasm_recd.owing import waive
from kasm_recd.states import RecordingEvent, RecordingState, SegmentEvent, SegmentState

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.journal import Journal
    from kasm_recd.recording import Recording
    from kasm_recd.segment import Segment

log = get_logger(__name__)

#: Upload attempts since this start before a segment may expire: after a long outage of the daemon
#: itself the store gets its chance first.
ATTEMPTS_BEFORE_EXPIRY: Final = 3
#: How long the journal remembers what became of a session, in seconds.
REMEMBER_S: Final = 7 * 86400.0

#: What lies still in the spool and is not in the store; what is at work is not thrown away.
MAY_EXPIRE: Final = (SegmentState.SEALED, SegmentState.ENCODED, SegmentState.RAW)


def is_expired(
    segment: Segment, *, uptime_s: float, retention_s: float, attempts_since_start: int
) -> bool:
    """Whether the retention period of an unstored segment is over; 0 seconds means never.

    Counted in time the daemon was up since sealing, so that a machine that was off for a week does
    not throw away at boot what it never had the time to upload.
    """
    if retention_s <= 0 or segment.state not in MAY_EXPIRE or segment.raw_is_stored:
        return False
    return (
        uptime_s - segment.sealed_uptime >= retention_s
        and attempts_since_start >= ATTEMPTS_BEFORE_EXPIRY
    )


class Retention:
    """Deletes what may go; each step can be repeated after a crash."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        retention_s: float,
        attempts_since_start: Callable[[Segment], int],
        now: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._segments = spool / "segments"
        self._retention_s = retention_s
        self._attempts_since_start = attempts_since_start
        self._now = now
        self._reported: set[int] = set()

    async def sweep(self) -> None:
        """Everything that may go now, goes."""
        for recording in self._journal.recordings(RecordingState.DRAINED):
            await self._try_to_remove(recording)
        for segment in self._journal.segments(*MAY_EXPIRE):
            if is_expired(
                segment,
                uptime_s=self._journal.uptime(),
                retention_s=self._retention_s,
                attempts_since_start=self._attempts_since_start(segment),
            ):
                await self._expire(segment)
        for segment in self._journal.segments(SegmentState.OWED, SegmentState.ENCODED):
            if segment.raw_is_stored and self._is_over(segment):
                await waive(self._journal, segment, "the retention period is over")
        for segment in self._journal.segments(SegmentState.STORED):
            await self.purge(segment)
        for segment in self._journal.segments(SegmentState.EXPIRED):
            await asyncio.to_thread(self._delete, segment)
        await asyncio.to_thread(self._clear_preambles)
        await self._journal.prune(before=self._now() - REMEMBER_S)

    def _is_over(self, segment: Segment) -> bool:
        """Whether its time is, whatever the store did; for what cannot be lost any more."""
        age_s = self._journal.uptime() - segment.sealed_uptime
        return 0 < self._retention_s <= age_s

    async def _try_to_remove(self, recording: Recording) -> None:
        with about(kasm_id=self._journal.owner(recording).kasm_id):
            await self._remove_or_tell(recording)

    async def _remove_or_tell(self, recording: Recording) -> None:
        try:
            await self.remove(recording)
        except OSError:
            if recording.id not in self._reported:
                self._reported.add(recording.id)
                log.exception(
                    "recording.not_removed",
                    hint="The daemon's group needs write access to the recording folder (2770).",
                    **recording.log_context(),
                )

    async def remove(self, recording: Recording) -> None:
        """Removes a drained recording, unless somebody writes to it after all.

        The file is moved to a hidden name first, so that nobody can open it by its own; only then
        are lock and size looked at for the last time. The hidden name is in the file's own folder:
        the spool may be another file system.
        """
        path = Path(recording.path)
        hidden = disk.hidden_name(path, recording.id)
        outcome = await asyncio.to_thread(_leave, path, hidden, recording)
        if outcome == "busy":
            log.warning("recording.reopened", **recording.log_context())
            await self._journal.move_recording(recording.id, RecordingEvent.REOPEN)
            return
        await self._journal.move_recording(recording.id, RecordingEvent.REMOVE)
        log.info("recording.removed", found=outcome == "removed", **recording.log_context())

    async def purge(self, segment: Segment) -> None:
        """Deletes the local bytes of a stored segment, as far as nothing else needs them."""
        recording = self._journal.source(segment)
        follower = self._journal.segment_at(recording.id, segment.end)
        wanted = preambles.is_wanted(recording, follower)
        if wanted and preambles.after(self._spool, segment) is None:
            return
        if wanted and follower is None:
            await asyncio.to_thread(_delete_all_but, sidecar.NAME, self._segments / segment.folder)
            return
        await asyncio.to_thread(self._delete, segment)
        await self._journal.move_segment(segment.id, SegmentEvent.PURGE)

    def _delete(self, segment: Segment) -> None:
        _delete_folder(self._segments / segment.folder)
        preambles.remove(self._spool, segment)

    def _clear_preambles(self) -> None:
        """Those that open a segment which never came."""
        for recording_id, start, path in preambles.all_of(self._spool):
            recording = self._journal.recording(recording_id)
            if recording is not None and recording.state in preambles.GOES_ON:
                continue
            if self._journal.segment_at(recording_id, start) is None:
                disk.clear(path)

    async def _expire(self, segment: Segment) -> None:
        folder = self._segments / segment.folder
        session = self._journal.owner(segment)
        names = await asyncio.to_thread(lambda: sorted(p.name for p in folder.glob("*")))
        await self._journal.move_segment(segment.id, SegmentEvent.EXPIRE)
        metrics.count("kasm_recd_segments_expired_total")
        await asyncio.to_thread(self._delete, segment)
        for name in names:
            log.critical(
                "segment.expired",
                file=str(folder / name),
                kasm_id=session.kasm_id,
                length=segment.length,
                upload_attempts=segment.upload_attempts,
                hint="This part of the session is lost. Mend the upload; see kasm-recd status.",
                **segment.log_context(),
            )


def _leave(path: Path, hidden: Path, recording: Recording) -> str:
    """``removed``, ``gone`` (somebody else was faster) or ``busy``; raises OSError."""
    if not hidden.exists():
        try:
            found = disk.identify(path)
        except FileNotFoundError:
            return "gone"
        if not disk.is_same_file(recording.identity, found):
            return "gone"
        disk.leave(path, recording.id)
    if disk.is_locked(hidden) or hidden.stat().st_size != recording.consumed:
        disk.rename_no_replace(hidden, path)
        return "busy"
    hidden.unlink()
    disk.fsync_folder(hidden.parent)
    return "removed"


def _delete_folder(folder: Path) -> None:
    if not folder.exists():
        return
    shutil.rmtree(folder)
    disk.fsync_folder(folder.parent)


def _delete_all_but(name: str, folder: Path) -> None:
    for path in folder.glob("*"):
        if path.name != name:
            disk.clear(path)
