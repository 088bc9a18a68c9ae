"""Cuts recordings into segments: when to cut, the cut, and the journal's word for it.

The bytes are read, copied and looked at by the ``cut`` worker, in a folder of its own. What this
module does is publish that folder into the spool by one rename and then tell the journal. A crash
between any two of these steps repeats work and neither loses nor doubles a byte: a segment's folder
is named after (recording, start), and one that the journal does not know yet is complete, and is
taken over as it is.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kasm_recd import clock, disk, process, sidecar
from kasm_recd.errors import IllegalMove, RecordingChanged, WorkerFailed
from kasm_recd.log import get_logger
from kasm_recd.segment import (
    Contents,
    RecordingEvent,
    RecordingState,
    Segment,
    contents_from_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.journal import Journal
    from kasm_recd.segment import Recording

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Cut:
    """What the cut worker found in the bytes it copied."""

    length: int
    sha256: str
    contents: Contents


@dataclass(frozen=True, slots=True)
class Times:
    """A segment on the wall clock: Unix seconds, and the clip's end in guacd's milliseconds."""

    began_at: float
    ended_at: float
    end_timestamp: int
    end_known: bool


def place_in_time(
    recording: Recording, contents: Contents, *, offset_s: float | None, modified_at: float
) -> Times:
    """When a segment happened.

    guacd stamps with its machine's monotonic clock. Where the recording ran on this machine's clock
    (``offset_s``), wall-clock time is timestamp + offset, and where its end was seen the last
    picture stood until then. A recording of another boot or host has only its file's time: the last
    ``sync`` was no later than the last write.
    """
    first, last = contents.first_sync, contents.last_sync
    if first is None or last is None:
        ended = recording.ended_at or modified_at
        return Times(min(recording.first_seen_at, ended), ended, 0, recording.end_known)
    seen_end = recording.ended_at
    if (
        offset_s is not None
        and seen_end is not None
        and clock.is_local(
            birth_ns=recording.identity.birth_ns,
            first_sync=first,
            last_sync=last,
            offset_s=offset_s,
            last_seen_at=seen_end,
        )
    ):
        end_timestamp = last
        if recording.end_known:
            end_timestamp = max(last, round((seen_end - offset_s) * 1000))
        return Times(
            clock.wall(first, offset_s),
            clock.wall(end_timestamp, offset_s),
            end_timestamp,
            recording.end_known,
        )
    began = modified_at - (last - first) / 1000
    return Times(began, modified_at, last, end_known=False)


class Segmenter:
    """Cuts one finished recording at a call; called from bounded slots."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        limits: process.Limits,
        on_sealed: Callable[[Segment], None],
        on_drained: Callable[[Recording], None],
        now: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._segments = spool / "segments"
        self._attempts = spool / "attempts"
        self._limits = limits
        self._on_sealed = on_sealed
        self._on_drained = on_drained
        self._now = now

    async def cut(self, recording_id: int) -> None:
        """Seals what a finished recording still holds and marks it drained.

        Raises:
            Retried: the cut is to be made again later; nothing was changed.
            OSError: the spool cannot be written; as above.
        """
        recording = self._journal.recording(recording_id)
        if recording is None or recording.state is not RecordingState.FINISHED:
            return
        modified_at = await self._check_size(recording)
        segment = await self._adopt(recording) or await self._seal(recording, modified_at)
        if segment is not None:
            log.info("segment.sealed", length=segment.length, **segment.log_context())
            self._on_sealed(segment)
        try:
            drained = await self._journal.move_recording(recording_id, RecordingEvent.DRAIN)
        except IllegalMove:
            # It grew again while it was cut: what was sealed is sealed, the rest is cut later.
            log.warning("recording.reopened_while_cut", **recording.log_context())
            return
        self._on_drained(drained)

    async def _check_size(self, recording: Recording) -> float:
        """The file's modification time; a file that shrank was not left alone."""
        try:
            status = await asyncio.to_thread(Path(recording.path).stat)
        except OSError as error:
            raise RecordingChanged(f"{recording.path} cannot be read: {error}") from error
        if status.st_size < recording.consumed:
            raise RecordingChanged(
                f"{recording.path} has {status.st_size} bytes, {recording.consumed} were cut"
            )
        return status.st_mtime

    async def _adopt(self, recording: Recording) -> Segment | None:
        """Seals the folder that a crash left between its rename and the journal's commit."""
        folder = self._segments / f"{recording.id:08d}-{recording.consumed:015d}"
        if not await asyncio.to_thread(folder.exists):
            return None
        draft = sidecar.read(folder).segment
        log.info("segment.adopted", folder=folder.name, **recording.log_context())
        return await self._journal.seal(draft, consumed=draft.start + draft.length)

    async def _seal(self, recording: Recording, modified_at: float) -> Segment | None:
        folder = self._attempts / f"cut-{secrets.token_hex(8)}"
        await asyncio.to_thread(folder.mkdir, mode=0o700)
        try:
            cut = await self._run_worker(recording, folder / sidecar.BODY)
            if cut.length == 0:
                return None
            draft = self._draft(recording, cut, modified_at)
            session = self._journal.owner(recording)
            await asyncio.to_thread(sidecar.write, folder, session, recording, draft)
            await asyncio.to_thread(disk.publish, folder, self._segments / draft.folder)
        finally:
            await asyncio.to_thread(disk.clear, folder)
        return await self._journal.seal(draft, consumed=draft.start + draft.length)

    async def _run_worker(self, recording: Recording, body: Path) -> Cut:
        argv = process.worker_argv(
            "cut",
            *("--input", recording.path),
            *("--start", str(recording.consumed)),
            *("--output", str(body)),
        )
        done = await process.run(argv, folder=body.parent, limits=self._limits, check=True)
        try:
            found = json.loads(done.stdout.splitlines()[-1])
            contents = contents_from_json(found["contents"])
            return Cut(int(found["length"]), str(found["sha256"]), contents)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise WorkerFailed(f"cut of {recording.path} gave no result: {error}") from error

    def _draft(self, recording: Recording, cut: Cut, modified_at: float) -> Segment:
        ended = recording.ended_at or modified_at
        times = place_in_time(
            recording,
            cut.contents,
            offset_s=self._journal.clock_offset(recording.boot_id, ended),
            modified_at=modified_at,
        )
        return Segment(
            id=0,
            session_id=recording.session_id,
            recording_id=recording.id,
            sequence=0,
            start=recording.consumed,
            length=cut.length,
            sha256=cut.sha256,
            contents=cut.contents,
            began_at=times.began_at,
            ended_at=times.ended_at,
            end_timestamp=times.end_timestamp,
            end_known=times.end_known,
            sealed_at=self._now(),
            sealed_uptime=self._journal.uptime(),
        )
