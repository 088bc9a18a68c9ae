"""The encoding stage: a sealed segment becomes a checked clip, or goes up raw.

Takes segments from the queue's slots, gives each attempt a folder of its own, and publishes what
the encoder made: clip, thumbnail, and last the manifest. A manifest that already lies in the
segment's folder was made by an attempt that a crash cut off before the journal heard of it; it is
adopted. A segment that does not begin its recording waits for its preamble; one whose cut looked at
its ends alone is surveyed first. The first attempt of the native encoder makes the next segment's
preamble as well, so that a rolled session is decoded once; whenever that does not come about,
replaying makes it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from kasm_recd import disk, encoder_chain, manifest, metrics, preambles
from kasm_recd.encoder import Job
from kasm_recd.errors import ClipRejected, OperatorError, RecdError, Retried
from kasm_recd.log import get_logger
from kasm_recd.owing import waive
from kasm_recd.packing import Parcel
from kasm_recd.states import Form, SegmentEvent, SegmentState
from kasm_recd.surveying import unread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kasm_recd.encoder import Encoder, Picture
    from kasm_recd.journal import Journal
    from kasm_recd.preambles import Preamble
    from kasm_recd.process import ChildId
    from kasm_recd.segment import Segment
    from kasm_recd.surveying import Surveyor

log = get_logger(__name__)

#: For a clip.
WAITING: Final = (SegmentState.SEALED, SegmentState.OWED)


@dataclass(frozen=True, slots=True)
class EncodePolicy:
    """How clips are made; ``encoder`` and ``raw_upload`` are the settings of that name."""

    encoder: Literal["auto", "native", "guacenc"]
    raw_upload: Literal["damaged", "always", "never"]
    picture: Picture
    attempts: int
    back_off_s: float = 5.0

    def keeps_raw(self, segment: Segment) -> bool:
        """Whether the segment itself goes up beside its clip."""
        if self.raw_upload == "damaged":
            return bool(segment.contents.damage)
        return self.raw_upload == "always"


class EncodeStage:
    """One call of :meth:`work` is one attempt at one segment; called from bounded slots."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        encoders: Mapping[str, Encoder],
        surveyor: Surveyor,
        policy: EncodePolicy,
        on_ready: Callable[[Segment], None],
        on_again: Callable[[Segment], None],
        on_waived: Callable[[Segment], None] = lambda _segment: None,
        on_full: Callable[[], None] = lambda: None,
        on_handed_over: Callable[[Segment], None] = lambda _segment: None,
        lacks_follower: Callable[[Segment], bool] = lambda _segment: False,
        now: Callable[[], float],
    ) -> None:
        """``lacks_follower`` says whether the preamble after a segment is wanted and not there.

        ``on_handed_over`` hears of the segment whose follower has one now.
        """
        self._journal = journal
        self._spool = spool
        self._segments = spool / "segments"
        self._attempts = spool / "attempts"
        self._encoders = encoders
        self._surveyor = surveyor
        self._policy = policy
        self._on_ready = on_ready
        self._on_again = on_again
        self._on_waived = on_waived
        self._on_full = on_full
        self._on_handed_over = on_handed_over
        self._lacks_follower = lacks_follower
        self._now = now

    def hands_over(self, segment: Segment) -> bool:
        """Whether a first native attempt at ``segment`` is due or under way.

        It makes the preamble after the segment too. Later attempts do not: by then nothing waits.
        """
        untried = segment.encode_attempts == 0 and not segment.cause
        native = self._policy.encoder != "guacenc"
        at_work = segment.state in (SegmentState.SEALED, SegmentState.ENCODING)
        shows = not (segment.contents.surveyed and segment.contents.empty)
        return at_work and untried and native and shows

    async def work(self, segment_id: int) -> None:
        """Takes a segment that is sealed or owed a clip one step on.

        Never raises for trouble with the segment itself, or for want of room for its files.
        """
        segment = self._journal.segment(segment_id)
        if segment is None or segment.state not in WAITING:
            return
        preamble = preambles.of(self._spool, segment)
        if preamble is None:
            return  # it is offered again when that is there
        if not segment.contents.surveyed and segment.encode_attempts < self._policy.attempts:
            segment = await self._survey(segment, preamble)
            if not segment.contents.surveyed:
                self._on_again(segment)
                return
        if preamble.cause:
            await self._give_up(segment, f"no preamble: {preamble.cause}")
        elif segment.encode_attempts >= self._policy.attempts:
            await self._give_up(segment, segment.cause or "gave up")
        elif segment.contents.empty and segment.owed:
            await self._give_up(segment, "empty")
        elif segment.contents.empty:
            await self._go_raw(segment, SegmentEvent.EMPTY, "empty")
        else:
            outcome = await self._attempt(segment, preamble)
            (self._on_again if outcome.state in WAITING else self._on_ready)(outcome)

    async def go_raw(self, segment_id: int) -> None:
        """Sends a sealed segment up raw, with its clip to follow; raises as :meth:`work`."""
        segment = self._journal.segment(segment_id)
        if segment is not None and segment.state is SegmentState.SEALED:
            await self._go_raw(segment, SegmentEvent.PRESSURE, str(SegmentEvent.PRESSURE))

    async def _give_up(self, segment: Segment, cause: str) -> None:
        """There will be no clip; where the raw segment is stored already, that was it."""
        if segment.owed:
            self._on_waived(await waive(self._journal, segment, cause))
        else:
            await self._go_raw(segment, SegmentEvent.GIVE_UP, cause)

    async def _survey(self, segment: Segment, preamble: Preamble) -> Segment:
        try:
            return await self._surveyor.survey(segment, preamble)
        except (Retried, OperatorError, OSError) as error:
            changes = self._after_failure(segment, error)
            return await self._journal.update_segment(segment.id, **changes)

    async def _attempt(self, segment: Segment, preamble: Preamble) -> Segment:
        moved = await self._journal.move_segment(segment.id, SegmentEvent.ENCODE)
        token = f"encode-{secrets.token_hex(8)}"
        attempt = await self._journal.begin_attempt(segment.id, "encode", token)
        folder = self._attempts / token
        try:
            changes = await self._adopt(moved)
            if changes is None:
                await asyncio.to_thread(folder.mkdir, mode=0o700)
                begun = time.monotonic()
                changes = await self._encode(moved, preamble, folder, attempt)
                _count(moved, time.monotonic() - begun)
        except (Retried, OperatorError, OSError) as error:
            await self._journal.end_attempt(attempt, "failed", str(error))
            return await self._put_back(moved, error)
        finally:
            await asyncio.to_thread(disk.clear, folder)
        done = await self._journal.move_segment(segment.id, SegmentEvent.ENCODED, **changes)
        await self._journal.end_attempt(attempt, "encoded")
        log.info("segment.encoded", encoder=done.encoder, **done.log_context())
        return done

    async def _adopt(self, segment: Segment) -> dict[str, Any] | None:
        try:
            found = await asyncio.to_thread(manifest.adopt, self._segments / segment.folder)
        except ClipRejected as error:
            log.warning("segment.leftover_rejected", error=str(error), **segment.log_context())
            return None
        if found is None or found[0]["form"] != Form.CLIP:
            return None
        described, artifacts = found
        return {
            "encoder": described["encoder"],
            "artifacts": artifacts,
            "cause": described["cause"],
        }

    async def _encode(
        self, segment: Segment, preamble: Preamble, folder: Path, attempt: int
    ) -> dict[str, Any]:
        async def started(child: ChildId) -> None:
            await self._journal.attempt_started(attempt, child.pid, child.started)

        parcel = self._parcel(segment)
        job = Job(
            body=parcel.home / manifest.FILE_NAMES["raw"],
            folder=folder,
            contents=segment.contents,
            end_timestamp=segment.end_timestamp,
            picture=self._policy.picture,
            preamble=preamble.path,
            hand_over=self.hands_over(segment) and self._lacks_follower(segment),
        )
        hold_ms = segment.end_timestamp - (segment.contents.last_sync or 0)
        chain = encoder_chain.in_order(
            self._policy.encoder, segment.contents, encoders=self._encoders, hold_ms=hold_ms
        )
        made = await encoder_chain.encode(chain, job, on_start=started)
        if made.clip.following is not None:
            await self._hand_over(segment, made.clip.following)
        return await self._pack(parcel, made)

    async def _hand_over(self, segment: Segment, following: Path) -> None:
        length = await asyncio.to_thread(preambles.publish, self._spool, segment, following)
        log.info("preamble.made", length=length, **segment.log_context())
        self._on_handed_over(segment)

    async def _pack(self, parcel: Parcel, made: encoder_chain.Made) -> dict[str, Any]:
        clip, segment = made.clip, parcel.segment
        await asyncio.to_thread(parcel.publish_clip, clip)
        found = parcel.in_the_recording(clip.damage)
        damage = dict.fromkeys((*segment.contents.damage, *found))
        contents = replace(segment.contents, damage=tuple(damage))
        named = segment.evolve(encoder=clip.encoder, cause=made.cause, contents=contents)
        roles = [*clip.files]
        if named.owed or self._policy.keeps_raw(named):
            roles.insert(0, "raw")
        artifacts = await asyncio.to_thread(
            replace(parcel, segment=named).seal, Form.CLIP, roles, clip.duration_ms
        )
        return {"encoder": clip.encoder, "artifacts": artifacts, "cause": made.cause}

    async def _put_back(self, segment: Segment, error: RecdError | OSError) -> Segment:
        changes = self._after_failure(segment, error)
        return await self._journal.move_segment(segment.id, SegmentEvent.FAILED, **changes)

    def _after_failure(self, segment: Segment, error: RecdError | OSError) -> dict[str, Any]:
        """When it is tried again; a full disk is not the segment's fault."""
        full = disk.says_full(error)
        if full:
            self._on_full()
        attempts = segment.encode_attempts + (0 if full else 1)
        wait = self._policy.back_off_s * 4 ** max(0, attempts - 1)
        if attempts >= self._policy.attempts:
            wait = 0  # nothing is tried again: it goes up raw
        metrics.count("kasm_recd_encodes_total", outcome="failed")
        log.warning(
            "segment.encode_failed",
            error=str(error),
            hint=getattr(error, "hint", ""),
            attempts=attempts,
            disk_full=full,
            **segment.log_context(),
        )
        return {
            "encode_attempts": attempts,
            "cause": str(error),
            "next_attempt_at": self._now() + wait,
        }

    async def _go_raw(self, segment: Segment, event: SegmentEvent, cause: str) -> None:
        owed = event is SegmentEvent.PRESSURE
        if not segment.contents.surveyed:
            segment = unread(segment)
        seal = self._parcel(segment.evolve(cause=cause, encoder="", owed=owed)).seal
        try:
            artifacts = await asyncio.to_thread(seal, Form.RAW, ["raw"], segment.duration_ms)
        except OSError as error:
            await self._wait_for_room(segment, error)
            return
        raw = await self._journal.move_segment(
            segment.id, event, cause=cause, encoder="", artifacts=artifacts
        )
        metrics.count("kasm_recd_segments_raw_total", cause=str(event))
        if event is SegmentEvent.GIVE_UP:
            log.error("segment.gave_up", cause=cause, **segment.log_context())
        elif owed:
            log.info("segment.raw_first", length=segment.length, **segment.log_context())
        else:
            log.info("segment.empty", **segment.log_context())
        self._on_ready(raw)

    async def _wait_for_room(self, segment: Segment, error: OSError) -> None:
        """The small files beside the body could not be written; the segment is as it was."""
        full = disk.says_full(error)
        if full:
            self._on_full()
        again = await self._journal.update_segment(
            segment.id, next_attempt_at=self._now() + self._policy.back_off_s
        )
        log.warning(
            "segment.encode_failed",
            error=str(error),
            hint="",
            attempts=segment.encode_attempts,
            disk_full=full,
            **segment.log_context(),
        )
        self._on_again(again)

    def _parcel(self, segment: Segment) -> Parcel:
        preamble = preambles.of(self._spool, segment)
        return Parcel(
            session=self._journal.owner(segment),
            recording=self._journal.source(segment),
            segment=segment,
            home=self._segments / segment.folder,
            preamble=preamble.path if preamble else None,
        )


def _count(segment: Segment, seconds: float) -> None:
    metrics.count("kasm_recd_encodes_total", outcome="encoded")
    metrics.count("kasm_recd_encode_seconds_total", seconds)
    metrics.count("kasm_recd_encoded_recorded_seconds_total", segment.duration_ms / 1000)
