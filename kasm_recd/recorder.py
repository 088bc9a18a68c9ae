r"""The parts of a recorder with valid settings: built, started in order, stopped in reverse.

The way of the data, as wired here::

    watcher -> intake -> segmenter -> encode slots (replay, encode) -> upload slots -> retention
         \________________________________ journal ________________________________/

What was under way when the last daemon ended is put back first, from the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from kasm_recd import disk, preambles, process, storage
from kasm_recd.ballast import Ballast, Plan
from kasm_recd.encoder import Encoder, Picture
from kasm_recd.encoder_guacenc import GuacencEncoder
from kasm_recd.encoder_native import NativeEncoder
from kasm_recd.encoding import EncodePolicy, EncodeStage
from kasm_recd.errors import DiskFull, Retried
from kasm_recd.intake import Intake
from kasm_recd.journal import Journal
from kasm_recd.log import get_logger
from kasm_recd.queue import Slots
from kasm_recd.replaying import ReplayStage
from kasm_recd.retention import Retention
from kasm_recd.segment import RecordingState, SegmentState
from kasm_recd.segmenter import Rolling, Segmenter
from kasm_recd.uploading import BackOff, UploadStage
from kasm_recd.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kasm_recd.segment import Recording, Segment
    from kasm_recd.settings import Settings
    from kasm_recd.storage import Store

log = get_logger(__name__)

JOURNAL_NAME: Final = "journal.sqlite3"
LOOK_S: Final = 1.0  # between two looks at the room on the spool's disk
SWEEP_S: Final = 5.0  # retention looks this often, and sooner when something was stored
UPTIME_S: Final = 15.0  # how much time up a crash may forget
CUT_AGAIN_S: Final = 5.0
REPLAY_AGAIN_S: Final = 5.0
CUT_MEMORY: Final = 1_000_000_000  # bytes of address space; the worker streams
CPU_S: Final = 6 * 3600  # a worker's CPU seconds; the deadline ends it long before


def worker_limits(
    *, memory: int = 2_000_000_000, deadline_s: float = 3600.0, file_size: int = 20_000_000_000
) -> process.Limits:
    """Limits of a worker: bytes of address space, bytes of one file, seconds."""
    return process.Limits(
        memory=memory, file_size=file_size, cpu_seconds=CPU_S, deadline_s=deadline_s
    )


def build_encoders(limits: process.Limits) -> dict[str, Encoder]:
    """Every encoder by its name, whether this machine has its programs or not."""
    return {
        encoder.name: encoder
        for encoder in (NativeEncoder(limits=limits), GuacencEncoder(limits=limits))
    }


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
        self._kick = asyncio.Event()
        self._refused = asyncio.Event()  # a write found no room
        self._beat_at = time.monotonic()
        self._pins: set[int | None] = set()  # error numbers of holes that could not be made
        spool = settings.spool_dir
        for folder in (spool, spool / "segments", spool / "attempts", spool / preambles.FOLDER):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A cut of the usual size must have room again before the ballast is made again.
        floor = max(settings.min_free, settings.segment_size)
        self.ballast = Ballast(spool, Plan(settings.ballast_size, floor))
        self.ballast.look()
        empty = not any((spool / "segments").iterdir())
        try:
            self.journal = Journal.open(spool / JOURNAL_NAME, clock=now, make=empty)
        except DiskFull:
            self.ballast.look(refused=True)
            raise
        self._build()

    def _build(self) -> None:
        settings, journal, now = self._settings, self.journal, self._now
        self.cuts: Slots[int] = Slots("cut", settings.cut_slots, self._cut, clock=now)
        self.encodes: Slots[Callable[[], Awaitable[None]]] = Slots(
            "encode", settings.session_recording_queue_length, lambda work: work(), clock=now
        )
        self.uploads: Slots[int] = Slots("upload", settings.upload_slots, self._upload, clock=now)
        self.intake = Intake(
            journal=journal,
            on_finished=self._offer_cut,
            on_growing=self._roll_when_due,
            now=now,
        )
        self.watcher = Watcher(
            settings.recording_dir,
            interval_s=settings.scan_interval,
            finish_quiet_s=settings.finish_quiet,
            finish_quiet_unseen_s=settings.finish_quiet_unseen,
            on_scan=self.intake.take,
            known=self.intake.known,
        )
        self.segmenter = Segmenter(
            journal=journal,
            spool=settings.spool_dir,
            limits=worker_limits(memory=CUT_MEMORY, deadline_s=settings.cut_deadline),
            rolling=self._rolling,
            hand_back=self._hand_back,
            on_sealed=self._sealed,
            on_more=self._offer_cut,
            on_drained=lambda _recording: self._kick.set(),
            now=now,
        )
        self.encoding = self._build_encoding()
        self.replaying = self._build_replaying()
        self.uploading = self._build_uploading()
        self.retention = Retention(
            journal=journal,
            spool=settings.spool_dir,
            retention_s=settings.retention,
            attempts_since_start=self.uploading.attempts_since_start,
            now=now,
        )

    def _build_encoding(self) -> EncodeStage:
        settings = self._settings
        picture = Picture(
            width=settings.session_recording_res_width,
            height=settings.session_recording_res_height,
            framerate=settings.session_recording_framerate,
            bitrate=settings.bitrate,
        )
        limits = worker_limits(memory=settings.encode_memory, deadline_s=settings.encode_deadline)
        self.encoders = build_encoders(limits)
        return EncodeStage(
            journal=self.journal,
            spool=settings.spool_dir,
            encoders=self.encoders,
            policy=EncodePolicy(
                encoder=settings.encoder,
                raw_upload=settings.raw_upload,
                picture=picture,
                attempts=settings.encode_attempts,
            ),
            on_ready=self._offer,
            on_again=self._offer,
            on_full=self._refused.set,
            now=self._now,
        )

    def _build_replaying(self) -> ReplayStage:
        settings = self._settings
        return ReplayStage(
            journal=self.journal,
            spool=settings.spool_dir,
            limits=worker_limits(
                memory=settings.encode_memory, deadline_s=settings.encode_deadline
            ),
            attempts=settings.encode_attempts,
            on_settled=self._preamble_settled,
            on_again=lambda segment: self._offer_replay(segment, self._now() + REPLAY_AGAIN_S),
            on_full=self._refused.set,
        )

    def _build_uploading(self) -> UploadStage:
        settings = self._settings
        return UploadStage(
            journal=self.journal,
            spool=settings.spool_dir,
            location=settings.location,
            open_store=functools.partial(open_store, settings, self._stop),
            back_off=BackOff(most_s=settings.retry_max),
            on_stored=self._stored,
            on_again=self._offer_again,
            stop=self._stop,
            now=self._now,
        )

    async def run(self) -> NoReturn:
        """Works until cancelled; any part that fails ends them all."""
        try:
            await self._recover()
            async with asyncio.TaskGroup() as group:
                group.create_task(self.cuts.run(), name="cuts")
                group.create_task(self.encodes.run(), name="encodes")
                group.create_task(self.uploads.run(), name="uploads")
                group.create_task(self._retain(), name="retention")
                group.create_task(self._count_uptime(), name="uptime")
                group.create_task(self._keep_ballast(), name="ballast")
                group.create_task(self.watcher.run(), name="watcher")
        except (ExceptionGroup, DiskFull, OSError) as error:
            if disk.says_full(error):  # most often the journal: the next start has to write
                await asyncio.to_thread(self.ballast.look, refused=True)
            raise
        finally:
            self._stop.set()
            self.uploading.close()
            await self.journal.close()
        raise AssertionError("the parts ended without being asked to")

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
        states = (SegmentState.SEALED, SegmentState.ENCODED, SegmentState.RAW)
        waiting = self.journal.segments(*states)
        for segment in waiting:
            self._offer(segment)
        for segment in self.journal.segments():
            self._offer_replay(segment)
        for recording in self.journal.recordings(RecordingState.FINISHED):
            self._offer_cut(recording)
        log.info("daemon.recovered", segments=len(waiting), busy=len(recovered.segments))

    def _offer_cut(self, recording: Recording, not_before: float = 0.0) -> None:
        self.cuts.offer(
            recording.id,
            recording.id,
            lane=str(recording.session_id),
            order=(recording.first_seen_at,),
            not_before=not_before,
        )

    def _rolling(self) -> Rolling:
        """When and how much to cut: as the settings say, and in small steps on a full disk."""
        size = self._settings.segment_size
        return Rolling(min(size, self.ballast.cut_step or size), self._settings.segment_max_age)

    def _roll_when_due(self, recording: Recording, size: int) -> None:
        if self.segmenter.is_due(recording, size):
            self._offer_cut(recording)

    def _hand_back(self, recording: Recording) -> None:
        """Gives what is cut of a recording back to its disk; called in a thread."""
        path = Path(recording.path)
        try:
            disk.punch(
                recording,
                0,
                recording.consumed,
                before_close=lambda: self.watcher.expect_own_close(path),
            )
        except Retried as error:
            log.warning("recording.changed", error=str(error), **recording.log_context())
        except OSError as error:
            if error.errno not in self._pins:
                self._pins.add(error.errno)
                log.warning(
                    "recording.pinned",
                    error=str(error),
                    hint="It is cut all the same, but its disk comes back only when the session "
                    "ends. The daemon needs write access to guacd's files, on a file system that "
                    "can punch holes; see README.md.",
                    **recording.log_context(),
                )

    def _sealed(self, segment: Segment) -> None:
        self._offer(segment)
        self._offer_replay(segment)
        before = self.journal.segment_ending(segment.recording_id, segment.start)
        if before is not None:
            self._offer_replay(before)

    def _preamble_settled(self, segment: Segment) -> None:
        """What follows can be encoded now, and replayed in its turn."""
        self._kick.set()
        following = self.journal.segment_at(segment.recording_id, segment.end)
        if following is not None:
            if following.state is SegmentState.SEALED:
                self._offer(following)
            self._offer_replay(following)

    async def _seek_preambles(self) -> None:
        """What waits for a preamble gets one, or hears that there will be none."""
        for segment in self.journal.segments(SegmentState.SEALED):
            if preambles.of(self._settings.spool_dir, segment) is not None:
                continue
            before = self.journal.segment_ending(segment.recording_id, segment.start)
            if before is not None:
                self._offer_replay(before)
                continue
            await asyncio.to_thread(
                preambles.give_up,
                *(self._settings.spool_dir, segment.recording_id, segment.start),
                "the journal does not know the segment before it",
            )
            self._offer(segment)

    def _offer_replay(self, segment: Segment, not_before: float = 0.0) -> None:
        if self.replaying.is_needed(segment):
            self.encodes.offer(
                ("replay", segment.id),
                functools.partial(self.replaying.work, segment.id),
                lane=str(segment.session_id),
                order=(segment.sealed_at, segment.sequence),
                not_before=not_before,
            )

    def _offer(self, segment: Segment) -> None:
        """Into the queue that its state asks for, not before its next attempt is due."""
        self._offer_again(segment, segment.next_attempt_at)

    def _offer_again(self, segment: Segment, not_before: float) -> None:
        order = (segment.sealed_at, segment.sequence)
        lane = str(segment.session_id)
        if segment.state is SegmentState.SEALED:
            work = functools.partial(self.encoding.work, segment.id)
            self.encodes.offer(
                ("encode", segment.id), work, lane=lane, order=order, not_before=not_before
            )
        else:
            self.uploads.offer(
                segment.id, segment.id, lane=lane, order=order, not_before=not_before
            )

    async def _cut(self, recording_id: int) -> None:
        try:
            await self.segmenter.cut(recording_id)
        except (Retried, OSError) as error:
            log.warning("recording.cut_failed", recording=recording_id, error=str(error))
            if disk.says_full(error):
                self._refused.set()
            recording = self.journal.recording(recording_id)
            if recording is not None:
                self._offer_cut(recording, self._now() + CUT_AGAIN_S)

    async def _upload(self, segment_id: int) -> None:
        await self.uploading.work(segment_id)

    def _stored(self, _segment: Segment) -> None:
        self._kick.set()

    async def _retain(self) -> NoReturn:
        while True:
            self._kick.clear()
            await self.retention.sweep()
            await self._seek_preambles()
            try:
                await asyncio.wait_for(self._kick.wait(), SWEEP_S)
            except TimeoutError:
                continue

    async def _keep_ballast(self) -> NoReturn:
        while True:
            refused = self._refused.is_set()
            self._refused.clear()
            await asyncio.to_thread(self.ballast.look, refused=refused)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._refused.wait(), LOOK_S)

    async def _count_uptime(self) -> NoReturn:
        before = time.monotonic()
        while True:
            await asyncio.sleep(UPTIME_S)
            now = time.monotonic()
            await self.journal.add_uptime(now - before)
            self._beat_at = before = now

    def silent_parts(self, *, patience_s: float) -> list[str]:
        """Parts that gave no sign of life for ``patience_s`` seconds."""
        now = time.monotonic()
        silent = []
        if now - self.watcher.last_scan_at > patience_s + self._settings.scan_interval:
            silent.append("watcher")
        if now - self._beat_at > patience_s + UPTIME_S:
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
            "queues": {
                slots.name: {"busy": slots.busy, "waiting": slots.waiting}
                for slots in (self.cuts, self.encodes, self.uploads)
            },
            "destinations": {
                name: {"failures": found.failures, "last_error": found.last_error}
                for name, found in self.uploading.destinations.items()
            },
        }


def open_store(settings: Settings, stop: threading.Event, destination: str) -> Store:
    """A store for a journaled destination, with the endpoint options in force now."""
    endpoint = storage.Endpoint(
        scheme=settings.storage_scheme,
        addressing_style=settings.storage_addressing_style,
        region=settings.storage_region,
        checksum_calculation=settings.storage_checksum_calculation,
        sse=settings.storage_sse,
        sse_kms_key_id=settings.storage_sse_kms_key_id,
        conditional_put=settings.conditional_put,
        ca_bundle=settings.storage_ca_bundle,
        connect_timeout_s=settings.upload_connect_timeout,
        read_timeout_s=settings.upload_read_timeout,
    )
    return storage.open_store(
        destination,
        endpoint=endpoint,
        key=settings.recording_object_storage_key.get_secret_value(),
        secret=settings.recording_object_storage_secret.get_secret_value(),
        stop=stop,
    )
