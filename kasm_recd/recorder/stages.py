"""The stages of a segment's way, and what one hands to the next: cut, replay, encode, upload."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from kasm_recd import disk
from kasm_recd.destinations import BackOff
from kasm_recd.encoding import WAITING, EncodeStage
from kasm_recd.errors import Retried
from kasm_recd.log import about, get_logger
from kasm_recd.pressure import Turn
from kasm_recd.recorder import building
from kasm_recd.recorder.preambles_due import PreamblesDue
from kasm_recd.recorder.queues import Queues
from kasm_recd.relief import Relief
from kasm_recd.rolling import Rolling
from kasm_recd.segmenter import Segmenter
from kasm_recd.states import RecordingState, SegmentState
from kasm_recd.surveying import Surveyor
from kasm_recd.uploading import UploadStage

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from kasm_recd.ballast import Ballast
    from kasm_recd.guard import Guard
    from kasm_recd.journal import Journal
    from kasm_recd.recording import Recording
    from kasm_recd.segment import Segment
    from kasm_recd.settings import Settings

log = get_logger(__name__)

CUT_AGAIN_S: Final = 5.0
TURN_AGAIN_S: Final = 1.0  # until what waits for room is looked at again


class Stages:
    """One attempt a slot; what was done is offered to the stage that comes next."""

    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        ballast: Ballast,
        hand_back: Callable[[Recording], None],
        guard: Guard,
        kick: asyncio.Event,
        refused: asyncio.Event,
        stop: threading.Event,
        now: Callable[[], float],
    ) -> None:
        """``kick`` asks for a sweep, ``refused`` says that a write found no room."""
        self._settings = settings
        self._journal = journal
        self._ballast = ballast
        self._guard = guard
        self._torn: list[Segment] = []  # sealed with damage, and not yet told to the guard
        self._kick = kick
        self._refused = refused
        self._now = now
        self.trial = building.codec_trial(settings)
        self.encoders = building.build_encoders(building.encode_limits(settings), self.trial)
        self.queues = Queues(
            settings,
            cut=self._cut,
            replay=self._replay,
            encode=self._encode,
            upload=self._upload,
            now=now,
        )
        self.relief = self._build_relief()
        self.preambles = PreamblesDue(
            settings,
            journal=journal,
            queues=self.queues,
            relief=self.relief,
            kick=kick,
            refused=refused,
            now=now,
        )
        self._encoding = self._build_encoding()
        self.uploading = self._build_uploading(stop)
        self._segmenter = self._build_segmenter(hand_back)

    def _build_segmenter(self, hand_back: Callable[[Recording], None]) -> Segmenter:
        return Segmenter(
            journal=self._journal,
            spool=self._settings.spool_dir,
            limits=building.cut_limits(self._settings),
            rolling=self._rolling,
            hand_back=hand_back,
            on_sealed=self._sealed,
            on_more=self.queues.offer_cut,
            on_drained=lambda _recording: self._kick.set(),
            now=self._now,
        )

    def _build_encoding(self) -> EncodeStage:
        return EncodeStage(
            journal=self._journal,
            spool=self._settings.spool_dir,
            encoders=self.encoders,
            surveyor=Surveyor(
                journal=self._journal,
                spool=self._settings.spool_dir,
                limits=building.encode_limits(self._settings),
            ),
            policy=building.encode_policy(self._settings),
            on_ready=self._encode_ended,
            on_again=self._encode_ended,
            on_waived=lambda _segment: self._kick.set(),
            on_full=self._refused.set,
            on_handed_over=self.preambles.settled,
            lacks_follower=self.preambles.is_lacking,
            now=self._now,
        )

    def _build_relief(self) -> Relief:
        uploads = self.queues.uploads
        return Relief(
            journal=self._journal,
            spool=self._settings.spool_dir,
            recordings=self._settings.recording_dir,
            min_free=self._settings.min_free,
            segment_size=self._settings.segment_size,
            slots=self._settings.session_recording_queue_length,
            raw_allowed=self._settings.raw_upload != "never",
            uploads=lambda: uploads.busy + uploads.waiting,
            store_answers=lambda: (
                not any(each.failures for each in self.uploading.destinations.values())
            ),
        )

    def _build_uploading(self, stop: threading.Event) -> UploadStage:
        return UploadStage(
            journal=self._journal,
            spool=self._settings.spool_dir,
            location=self._settings.location,
            open_store=functools.partial(building.open_store, self._settings, stop),
            back_off=BackOff(most_s=self._settings.retry_max),
            on_stored=self._stored,
            on_again=self.queues.offer_again,
            stop=stop,
            now=self._now,
        )

    def offer_all(self) -> int:
        """Boot: puts the journal's work into the queues; how many segments that are."""
        waiting = self._journal.segments(*WAITING, SegmentState.ENCODED, SegmentState.RAW)
        for segment in waiting:
            self.queues.offer(segment)
        for segment in self._journal.segments():
            self.preambles.offer(segment)
        for recording in self._journal.recordings(RecordingState.FINISHED):
            self.queues.offer_cut(recording)
        return len(waiting)

    def roll_when_due(self, recording: Recording, size: int) -> None:
        """Has a live recording of ``size`` bytes cut when it is time."""
        if self._segmenter.is_due(recording, size):
            self.queues.offer_cut(recording)

    def _rolling(self) -> Rolling:
        """When and how much to cut: as the settings say, and in small steps on a full disk."""
        size = self.relief.cut_size
        return Rolling(min(size, self._ballast.cut_step or size), self._settings.segment_max_age)

    async def _cut(self, recording_id: int) -> None:
        with self._about(self._journal.recording(recording_id)):
            await self._try_to_cut(recording_id)

    async def _try_to_cut(self, recording_id: int) -> None:
        try:
            await self._segmenter.cut(recording_id)
            while self._torn:
                await self._guard.sealed(self._torn.pop())
        except (Retried, OSError) as error:
            log.warning("recording.cut_failed", recording=recording_id, error=str(error))
            if disk.says_full(error):
                self._refused.set()
            recording = self._journal.recording(recording_id)
            if recording is not None:
                self.queues.offer_cut(recording, self._now() + CUT_AGAIN_S)

    async def _replay(self, segment_id: int) -> None:
        with self._about(self._journal.segment(segment_id)):
            await self.preambles.replay(segment_id)

    async def _encode(self, segment_id: int) -> None:
        segment = self._journal.segment(segment_id)
        if segment is None or segment.state not in WAITING:
            return
        with self._about(segment):
            match self.relief.turn(segment):
                case Turn.ENCODE:
                    await self._encoding.work(segment_id)
                    await self._tell_torn(segment_id)
                case Turn.RAW:
                    await self._encoding.go_raw(segment_id)
                case Turn.WAIT:
                    self.queues.offer_again(segment, self._now() + TURN_AGAIN_S)

    async def _tell_torn(self, segment_id: int) -> None:
        """A large segment is read whole only now; see :mod:`kasm_recd.surveying`."""
        segment = self._journal.segment(segment_id)
        if segment is not None and segment.contents.damage:
            await self._guard.sealed(segment)

    async def _upload(self, segment_id: int) -> None:
        with self._about(self._journal.segment(segment_id)):
            await self.uploading.work(segment_id)

    def _about(self, of: Recording | Segment | None) -> AbstractContextManager[Any]:
        """Whatever is logged on the way names the session, also by the parts that know none."""
        return about(kasm_id=self._journal.owner(of).kasm_id if of else "")

    def _sealed(self, segment: Segment) -> None:
        if segment.contents.damage:
            self._torn.append(segment)
        self.queues.offer(segment)
        self.preambles.offer(segment)
        self.preambles.offer_before(segment)

    def _encode_ended(self, segment: Segment) -> None:
        """On its way, or back; a preamble that did not come of it has to be made."""
        self.queues.offer(segment)
        self.preambles.offer(segment)

    def _stored(self, segment: Segment) -> None:
        """Something may go now, or is owed a clip."""
        self._kick.set()
        if segment.state is SegmentState.OWED:
            self.queues.offer(segment)
