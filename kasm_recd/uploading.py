"""The uploading stage: every file of a segment is put and proved, the manifest last.

The object key is resolved once, journaled before the first byte leaves, and used for every retry.
Proofs are journaled as they come, so a retry goes on where the last attempt stopped. A destination
that failed is asked by one upload at a time until it answers again, so a broken bucket never holds
more than one slot.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kasm_recd import metrics, storage
from kasm_recd.errors import KeyTaken, OperatorError, Retried
from kasm_recd.log import get_logger
from kasm_recd.object_keys import following, sibling, variables_of
from kasm_recd.states import Form, SegmentEvent, SegmentState

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.location import Location
    from kasm_recd.segment import Artifact, Segment
    from kasm_recd.storage import Store

log = get_logger(__name__)

SUFFIXES: Final = {
    "thumbnail": ".jpg",
    "sprites": ".seek/sprites.jpg",
    "sprite_index": ".seek/sprites.vtt",
    "activity": ".seek/activity.json",
    "raw": ".guac",
    "manifest": ".json",
}
#: Keys tried for one segment before the operator is asked to look: a bucket full of other clips.
KEY_TRIES: Final = 1000


@dataclass(slots=True)
class Destination:
    """How one bucket or folder is doing: ``failures`` in a row, and since the daemon started."""

    store: Store | None = None
    failures: int = 0
    failures_since_start: int = 0
    probing: bool = False
    next_probe_at: float = 0.0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Time between attempts: ``first_s`` doubled up to ``most_s``, drawn from the upper half."""

    first_s: float = 2.0
    most_s: float = 600.0
    draw: Callable[[], float] = field(default=random.random)

    def after(self, failures: int) -> float:
        """Seconds until the attempt after ``failures`` (at least 1) failed ones."""
        ceiling = min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 20))
        return ceiling * (0.5 + self.draw() / 2)


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
        self._location = location
        self._open_store = open_store
        self._back_off = back_off
        self._on_stored = on_stored
        self._on_again = on_again
        self._stop = stop
        self._now = now
        self.destinations: dict[str, Destination] = {}

    async def work(self, segment_id: int) -> None:
        """Takes a segment one step on; never raises for trouble with the store."""
        segment = self._journal.segment(segment_id)
        if segment is None or segment.state not in (SegmentState.ENCODED, SegmentState.RAW):
            return
        if not segment.key:
            segment = await self._claim(segment)
        destination = self.destinations.setdefault(segment.destination, Destination())
        if destination.failures and (
            destination.probing or self._now() < destination.next_probe_at
        ):
            self._on_again(segment, max(destination.next_probe_at, self._now() + 1))
            return
        destination.probing = destination.failures > 0
        try:
            await self._attempt(segment, destination)
        finally:
            destination.probing = False

    async def _attempt(self, segment: Segment, destination: Destination) -> None:
        moved = await self._journal.move_segment(
            segment.id, SegmentEvent.UPLOAD, upload_attempts=segment.upload_attempts + 1
        )
        try:
            stored = await self._put_all(moved, destination)
        except (Retried, OperatorError, OSError) as error:
            await self._put_back(moved, destination, error)
            return
        destination.failures = 0
        destination.last_error = ""
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

    async def _put_all(self, segment: Segment, destination: Destination) -> Segment:
        if destination.store is None:
            destination.store = await asyncio.to_thread(self._open_store, segment.destination)
        for _ in range(KEY_TRIES):
            try:
                for artifact in segment.artifacts:
                    if artifact.role not in segment.proofs:
                        segment = await self._put(segment, destination.store, artifact)
            except KeyTaken as error:
                segment = await self._take_next_key(segment, error)
            else:
                return segment
        raise _all_taken(segment.destination, segment.key)

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

    async def _claim(self, segment: Segment) -> Segment:
        session = self._journal.owner(segment)
        variables = variables_of(session, now=self._now())
        key = self._location.key(variables, sequence=segment.sequence)
        if segment.state is SegmentState.RAW and not segment.owed:
            key = sibling(key, SUFFIXES["raw"])
        return await self._claim_free(segment, self._location.destination, key)

    async def _claim_free(self, segment: Segment, destination: str, key: str) -> Segment:
        wanted = key
        for _ in range(KEY_TRIES):
            try:
                return await self._journal.claim_key(segment.id, destination, wanted)
            except KeyTaken:
                wanted = following(wanted)
        raise _all_taken(destination, key)

    async def _take_next_key(self, segment: Segment, error: KeyTaken) -> Segment:
        """The next free key, journaled before it is used; what was proved is put anew beside it."""
        log.warning("clip.key_taken", error=str(error), key=segment.key, **segment.log_context())
        cleared = await self._journal.update_segment(segment.id, proofs={})
        return await self._claim_free(cleared, cleared.destination, following(cleared.key))

    async def _put_back(self, segment: Segment, destination: Destination, error: Exception) -> None:
        destination.failures += 1
        destination.failures_since_start += 1
        metrics.count("kasm_recd_upload_failures_total", error_class=type(error).__name__)
        destination.last_error = str(error)
        wait = self._back_off.after(destination.failures)
        destination.next_probe_at = self._now() + wait
        back = await self._journal.move_segment(
            segment.id, SegmentEvent.FAILED, next_attempt_at=destination.next_probe_at
        )
        report = log.error if isinstance(error, OperatorError) else log.warning
        report(
            "upload.failed",
            error=str(error),
            hint=getattr(error, "hint", ""),
            destination=segment.destination,
            key=segment.key,
            next_attempt_s=round(wait, 1),
            **segment.log_context(),
        )
        self._on_again(back, destination.next_probe_at)

    def attempts_since_start(self, segment: Segment) -> int:
        """Failed attempts at the segment's destination since the daemon started."""
        destination = self.destinations.get(segment.destination)
        return destination.failures_since_start if destination else 0

    def close(self) -> None:
        """Closes every store; called when no upload runs any more."""
        for destination in self.destinations.values():
            if destination.store is not None:
                destination.store.close()


def _count(segment: Segment) -> None:
    metrics.count("kasm_recd_segments_stored_total", form=str(segment.form))
    for damage in segment.contents.damage:
        metrics.count("kasm_recd_damage_total", kind=damage.kind)
        metrics.count("kasm_recd_damage_bytes_total", damage.end - damage.start, kind=damage.kind)


def object_key(segment: Segment, role: str) -> str:
    """The key of one file: the clip's own, the others beside it on the same stem.

    What goes up raw with a clip to follow has a manifest of its own, so that the clip can have one.
    """
    if segment.owed and segment.form is Form.RAW:
        suffix = SUFFIXES["raw"] + (SUFFIXES["manifest"] if role == "manifest" else "")
        return sibling(segment.key, suffix)
    if role == "clip" or (role == "raw" and segment.form is Form.RAW):
        return segment.key
    return sibling(segment.key, SUFFIXES[role])


def _all_taken(destination: str, key: str) -> OperatorError:
    return OperatorError(
        f"{KEY_TRIES} keys up to {key} are taken in {destination}",
        hint="Put {kasm_id} or {current_epoch} into session_recording_upload_location.",
    )
