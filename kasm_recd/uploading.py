"""The uploading stage: every file of a segment is put and proved, the manifest last.

Proofs are journaled as they come, so a retry goes on where the last attempt stopped. A destination
that failed is asked by one upload at a time until it answers again, so a broken bucket never holds
more than one slot.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kasm_recd import metrics, storage
from kasm_recd.claiming import KEY_TRIES, Claims, all_taken, object_key
from kasm_recd.destinations import Standing
from kasm_recd.errors import KeyTaken, OperatorError, Retried
from kasm_recd.log import get_logger
from kasm_recd.states import Form, SegmentEvent, SegmentState

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.destinations import BackOff
    from kasm_recd.journal import Journal
    from kasm_recd.location import Location
    from kasm_recd.segment import Artifact, Segment
    from kasm_recd.storage import Store

log = get_logger(__name__)


class UploadStage:
    """One call of :meth:`work` is one attempt at one segment; called from bounded slots."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        location: Location,
        open_store: Callable[[str], Store],
        back_off: BackOff,
        on_stored: Callable[[Segment], None],
        on_again: Callable[[Segment, float], None],
        stop: threading.Event,
        now: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._segments = spool / "segments"
        self._claims = Claims(journal=journal, location=location, now=now)
        self._open_store = open_store
        self._back_off = back_off
        self._on_stored = on_stored
        self._on_again = on_again
        self._stop = stop
        self._now = now
        self.destinations: dict[str, Standing] = {}

    async def work(self, segment_id: int) -> None:
        """Takes a segment one step on; never raises for trouble with the store, or for its keys."""
        segment = self._journal.segment(segment_id)
        if segment is None or segment.state not in (SegmentState.ENCODED, SegmentState.RAW):
            return
        if not segment.key:
            try:
                segment = await self._claims.claim(segment)
            except OperatorError as error:
                await self._wait_for_a_key(segment, error)
                return
        standing = self.destinations.setdefault(segment.destination, Standing())
        if standing.asks_for_patience(self._now()):
            self._on_again(segment, max(standing.next_probe_at, self._now() + 1))
            return
        standing.probing = standing.failures > 0
        try:
            await self._attempt(segment, standing)
        finally:
            standing.probing = False

    async def _attempt(self, segment: Segment, standing: Standing) -> None:
        moved = await self._journal.move_segment(
            segment.id, SegmentEvent.UPLOAD, upload_attempts=segment.upload_attempts + 1
        )
        try:
            stored = await self._put_all(moved, standing)
        except (Retried, OperatorError, OSError) as error:
            await self._put_back(moved, standing, error)
            return
        standing.answered()
        raw_first = stored.owed and stored.form is Form.RAW
        event = SegmentEvent.OWE if raw_first else SegmentEvent.STORED
        stored = await self._journal.move_segment(stored.id, event)
        if raw_first:
            log.info("segment.raw_stored", length=stored.length, **stored.log_context())
        else:
            _count(stored)
            self._tell_life(stored)
        self._on_stored(stored)

    def _tell_life(self, segment: Segment) -> None:
        """One canonical line for the clip's whole life."""
        log.info(
            "clip.stored",
            kasm_id=self._journal.owner(segment).kasm_id,
            clip=f"{segment.destination}/{segment.key}",
            form=segment.form,
            cause=segment.cause,
            encoder=segment.encoder,
            recorded_s=segment.duration_ms / 1000,
            recorded_bytes=segment.length,
            clip_bytes=sum(a.size for a in segment.artifacts if a.role == segment.form),
            damage=len(segment.contents.damage),
            failed_encodes=segment.encode_attempts,
            uploads=segment.upload_attempts,
            from_seal_s=round(self._now() - segment.sealed_at, 3),
            proofs=dict(segment.proofs),
            **segment.log_context(),
        )

    async def _put_all(self, segment: Segment, standing: Standing) -> Segment:
        if standing.store is None:
            standing.store = await asyncio.to_thread(self._open_store, segment.destination)
        for _ in range(KEY_TRIES):
            try:
                for artifact in segment.artifacts:
                    if artifact.role not in segment.proofs:
                        segment = await self._put(segment, standing.store, artifact)
            except KeyTaken as error:
                segment = await self._claims.claim_next(segment, error)
            else:
                return segment
        raise all_taken(segment.destination, segment.key)

    async def _put(self, segment: Segment, store: Store, artifact: Artifact) -> Segment:
        payload = storage.Payload(
            path=self._segments / segment.folder / artifact.name,
            size=artifact.size,
            sha256=artifact.sha256,
            content_type=artifact.content_type,
        )
        key = object_key(segment, artifact.role)
        proof = await asyncio.to_thread(storage.upload, store, key, payload, stop=self._stop)
        metrics.count("kasm_recd_upload_bytes_total", artifact.size)
        proofs = {**segment.proofs, artifact.role: str(proof)}
        return await self._journal.update_segment(segment.id, proofs=proofs)

    async def _put_back(self, segment: Segment, standing: Standing, error: Exception) -> None:
        standing.failed(error)
        metrics.count("kasm_recd_upload_failures_total", error_class=type(error).__name__)
        wait = self._back_off.after(standing.failures)
        standing.next_probe_at = self._now() + wait
        back = await self._journal.move_segment(
            segment.id, SegmentEvent.FAILED, next_attempt_at=standing.next_probe_at
        )
        _tell_failed(back, error, wait)
        self._on_again(back, standing.next_probe_at)

    async def _wait_for_a_key(self, segment: Segment, error: OperatorError) -> None:
        """No destination has failed: the others go on, and a new upload location has new keys."""
        wait = self._back_off.most_s
        back = await self._journal.update_segment(segment.id, next_attempt_at=self._now() + wait)
        _tell_failed(back, error, wait)
        self._on_again(back, back.next_attempt_at)

    def attempts_since_start(self, segment: Segment) -> int:
        """Failed attempts at the segment's destination since the daemon started."""
        standing = self.destinations.get(segment.destination)
        return standing.failures_since_start if standing else 0

    def close(self) -> None:
        """Closes every store; called when no upload runs any more."""
        for standing in self.destinations.values():
            if standing.store is not None:
                standing.store.close()


def _count(segment: Segment) -> None:
    metrics.count("kasm_recd_segments_stored_total", form=str(segment.form))
    for damage in segment.contents.damage:
        metrics.count("kasm_recd_damage_total", kind=damage.kind)
        metrics.count("kasm_recd_damage_bytes_total", damage.end - damage.start, kind=damage.kind)


def _tell_failed(segment: Segment, error: Exception, wait_s: float) -> None:
    report = log.error if isinstance(error, OperatorError) else log.warning
    report(
        "upload.failed",
        error=str(error),
        hint=getattr(error, "hint", ""),
        destination=segment.destination,
        key=segment.key,
        next_attempt_s=round(wait_s, 1),
        **segment.log_context(),
    )
