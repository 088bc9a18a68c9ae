"""Cuts recordings into segments: the cut, the journal's word for it, and the hole.

The bytes are read, copied and looked at by the ``cut`` worker, in a folder of its own. What this
module does is publish that folder into the spool by one rename, tell the journal, and then hand the
bytes back to the live file's disk. A crash between any two of these steps repeats work and neither
loses nor doubles a byte: a segment's folder is named after (recording, start), one that the journal
does not know yet is complete and is taken over as it is, and a hole covers all that is consumed.

A live recording is cut after a ``sync``, and what follows it, a byte at least, waits for the next
cut. A finished one is cut in the same steps; its last segment takes the tail, and lasts until the
recording's end.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from kasm_recd import cuts, disk, metrics, process, sidecar
from kasm_recd.answers import answer
from kasm_recd.contents import contents_from_json
from kasm_recd.cuts import Cut, Seen
from kasm_recd.errors import IllegalMove, RecordingChanged, WorkerFailed
from kasm_recd.log import get_logger
from kasm_recd.rolling import Uncut
from kasm_recd.segment import place
from kasm_recd.states import RecordingEvent, RecordingState

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.journal import Journal
    from kasm_recd.recording import Recording
    from kasm_recd.rolling import Rolling
    from kasm_recd.segment import Segment

log = get_logger(__name__)


class Segmenter:
    """Makes one cut at a call; called from bounded slots."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        limits: process.Limits,
        rolling: Callable[[], Rolling],
        hand_back: Callable[[Recording], None],
        on_sealed: Callable[[Segment], None],
        on_more: Callable[[Recording], None],
        on_drained: Callable[[Recording], None],
        now: Callable[[], float],
    ) -> None:
        """``hand_back`` gives the consumed bytes of a live file back; called in a thread.

        ``rolling`` is asked each time: on a full disk cuts are smaller.
        """
        self._journal = journal
        self._segments = spool / "segments"
        self._attempts = spool / "attempts"
        self._limits = limits
        self._rolling = rolling
        self._uncut = Uncut(journal, rolling, now)
        self._hand_back = hand_back
        self._on_sealed = on_sealed
        self._on_more = on_more
        self._on_drained = on_drained
        self._now = now

    def is_due(self, recording: Recording, size: int) -> bool:
        """Whether a live recording that has grown to ``size`` is to be cut now."""
        return self._uncut.is_due(recording, size)

    async def cut(self, recording_id: int) -> None:
        """Seals the next segment of a recording; a finished one without bytes left is drained.

        Raises:
            Retried: the cut is to be made again later; nothing was changed.
            OSError: the spool cannot be written; as above.
        """
        recording = self._journal.recording(recording_id)
        if recording is None or recording.state not in (
            RecordingState.GROWING,
            RecordingState.FINISHED,
        ):
            self._uncut.forget(recording_id)
            return
        seen = await self._look(recording)
        segment = await self._adopt(recording) or await self._seal(recording, seen)
        if segment is not None:
            metrics.count("kasm_recd_segments_sealed_total")
            metrics.count("kasm_recd_segments_sealed_bytes_total", segment.length)
            log.info("segment.sealed", length=segment.length, **segment.log_context())
            self._on_sealed(segment)
        await self._go_on(recording_id, seen, cut=segment is not None)

    async def _go_on(self, recording_id: int, seen: Seen, *, cut: bool) -> None:
        """Hands the disk back after a cut, and says what is next."""
        recording = self._journal.recording(recording_id)
        if recording is None:
            return
        left = seen.size - recording.consumed
        if recording.state is RecordingState.FINISHED and left <= 0:
            await self._drain(recording)
        elif cut:
            await asyncio.to_thread(self._hand_back, recording)
            if recording.state is RecordingState.FINISHED or self.is_due(recording, seen.size):
                self._on_more(recording)

    async def _drain(self, recording: Recording) -> None:
        try:
            drained = await self._journal.move_recording(recording.id, RecordingEvent.DRAIN)
        except IllegalMove:
            # It grew again while it was cut: what was sealed is sealed, the rest is cut later.
            log.warning("recording.reopened_while_cut", **recording.log_context())
            return
        self._uncut.forget(recording.id)
        self._on_drained(drained)

    async def _look(self, recording: Recording) -> Seen:
        """The file as it is now; one that shrank or was replaced was not left alone."""

        def look() -> Seen:
            path = Path(recording.path)
            status = disk.status_of(path)
            disk.check_same(recording, path)
            return Seen(status.size, status.modified_ns / 1e9, self._now())

        try:
            seen = await asyncio.to_thread(look)
        except OSError as error:
            raise RecordingChanged(f"{recording.path} cannot be read: {error}") from error
        if seen.size < recording.consumed:
            raise RecordingChanged(
                f"{recording.path} has {seen.size} bytes, {recording.consumed} were cut"
            )
        return seen

    async def _adopt(self, recording: Recording) -> Segment | None:
        """Seals the folder that a crash left between its rename and the journal's commit."""
        folder = self._segments / place(recording.id, recording.consumed)
        if not await asyncio.to_thread(folder.exists):
            return None
        draft = sidecar.read(folder).segment
        log.info("segment.adopted", folder=folder.name, **recording.log_context())
        return await self._journal.seal(draft, consumed=draft.end)

    async def _seal(self, recording: Recording, seen: Seen) -> Segment | None:
        finished = recording.state is RecordingState.FINISHED
        if not finished and not self.is_due(recording, seen.size):
            return None
        folder = self._attempts / f"cut-{secrets.token_hex(8)}"
        await asyncio.to_thread(folder.mkdir, mode=0o700)
        try:
            most = self._rolling().size
            tail = finished and seen.size - recording.consumed <= most
            cut = await self._run_worker(recording, folder / sidecar.BODY, None if tail else most)
            if cut.length == 0 and finished and not tail:
                await asyncio.to_thread(disk.clear, folder / sidecar.BODY)
                tail = True
                cut = await self._run_worker(recording, folder / sidecar.BODY, None)
            if cut.length == 0:
                self._uncut.could_not_be_cut(recording.id, seen.size, most)
                return None
            await self._look(recording)  # what was read is what was known
            last = finished and recording.consumed + cut.length >= seen.size
            draft = self._draft(recording, cut, seen, last=last)
            session = self._journal.owner(recording)
            await asyncio.to_thread(sidecar.write, folder, session, recording, draft)
            await asyncio.to_thread(disk.publish, folder, self._segments / draft.folder)
        finally:
            await asyncio.to_thread(disk.clear, folder)
        return await self._journal.seal(draft, consumed=draft.end)

    async def _run_worker(self, recording: Recording, body: Path, most: int | None) -> Cut:
        argv = process.worker_argv(
            "cut",
            *("--input", recording.path),
            *("--start", str(recording.consumed)),
            *("--output", str(body)),
            *(("--limit", str(most)) if most else ()),
            *(("--live",) if recording.state is RecordingState.GROWING else ()),
            "--glance",
            *self._prelude(recording),
        )
        done = await process.run(argv, folder=body.parent, limits=self._limits, check=True)
        found = answer("cut", done.stdout)
        try:
            contents = contents_from_json(found["contents"])
            return Cut(
                int(found["length"]),
                str(found["sha256"]),
                contents,
                found["timestamp"],
                found["newest_sync"],
            )
        except (ValueError, LookupError, TypeError) as error:
            raise WorkerFailed(f"cut of {recording.path} gave no result: {error}") from error

    def _prelude(self, recording: Recording) -> tuple[str, ...]:
        """How the preamble of the next segment will end, for the worker."""
        before = self._before(recording)
        if before is None:
            return ()
        display = (before.contents.end_width, before.contents.end_height)
        return (
            *(("--display", f"{display[0]}x{display[1]}") if all(display) else ()),
            *(("--after-sync", str(before.end_timestamp)) if before.contents.sync_count else ()),
        )

    def _before(self, recording: Recording) -> Segment | None:
        """The segment that ends where the next one begins."""
        return self._journal.segment_ending(recording.id, recording.consumed)

    def _draft(self, recording: Recording, cut: Cut, seen: Seen, *, last: bool) -> Segment:
        return cuts.draft(
            recording,
            cut,
            seen,
            before=self._before(recording),
            scale=self._journal.clock_scale(recording.boot_id),
            last=last,
            sealed_at=self._now(),
            uptime=self._journal.uptime(),
        )
