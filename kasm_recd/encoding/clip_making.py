"""A segment's clip, from the encoders' folder into the segment's own, the manifest last.

A manifest that already lies there was made by an attempt that a crash cut off before the journal
heard of it; it is adopted. The first attempt of the native encoder makes the next segment's
preamble as well, so that a rolled session is decoded once; whenever that does not come about,
replaying makes it. For the same reason that attempt finds out what a segment holds that was cut at
a glance; the journal hears of it before the manifest is written.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kasm_recd import encoder_chain, manifest, preambles, surveying
from kasm_recd.encoder import Job
from kasm_recd.errors import ClipRejected
from kasm_recd.log import get_logger
from kasm_recd.packing import parcel_of
from kasm_recd.states import Form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kasm_recd.contents import Survey
    from kasm_recd.encoder import Encoder
    from kasm_recd.encoding.policy import EncodePolicy
    from kasm_recd.journal import Journal
    from kasm_recd.packing import Parcel
    from kasm_recd.preambles import Preamble
    from kasm_recd.process import ChildId
    from kasm_recd.segment import Segment

log = get_logger(__name__)


class ClipMaker:
    """Gives what the journal is to know of a segment whose clip is there."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        encoders: Mapping[str, Encoder],
        policy: EncodePolicy,
        on_handed_over: Callable[[Segment], None],
        lacks_follower: Callable[[Segment], bool],
    ) -> None:
        """The last two are as in :class:`~kasm_recd.encoding.stage.EncodeStage`."""
        self._journal = journal
        self._spool = spool
        self._encoders = encoders
        self._policy = policy
        self._on_handed_over = on_handed_over
        self._lacks_follower = lacks_follower

    async def adopt(self, segment: Segment) -> dict[str, Any] | None:
        """The clip that an attempt left before a crash; None where there is none that is whole."""
        home = self._spool / "segments" / segment.folder
        try:
            found = await asyncio.to_thread(manifest.adopt, home)
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

    def reads_along(self, segment: Segment) -> bool:
        """Whether :meth:`make` is to find out what ``segment`` holds on the way.

        Not where a crash left a manifest: what is adopted has to be surveyed for itself.
        """
        left = self._spool / "segments" / segment.folder / manifest.NAME
        return self._policy.reads_along(segment) and not left.exists()

    async def make(
        self, segment: Segment, preamble: Preamble, folder: Path, attempt: int
    ) -> dict[str, Any] | None:
        """The clip of the first encoder that can make it, made in ``folder``.

        One that was not surveyed is now, by the native encoder alone. None where it turned out to
        be empty or to end at another time: then the journal knows, and the clip is not used.

        Raises:
            Retried: no encoder could, or the body is not what was cut.
            OperatorError: a program of the wanted encoder is missing.
            OSError: the spool cannot be written.
        """

        async def started(child: ChildId) -> None:
            await self._journal.attempt_started(attempt, child.pid, child.started)

        parcel = parcel_of(segment, self._journal, self._spool)
        job = Job(
            body=parcel.home / manifest.FILE_NAMES["raw"],
            folder=folder,
            contents=segment.contents,
            end_timestamp=segment.end_timestamp,
            picture=self._policy.picture,
            preamble=preamble.path,
            hand_over=self._policy.hands_over(segment) and self._lacks_follower(segment),
            survey_from=None if segment.contents.surveyed else segment.start,
        )
        made = await encoder_chain.encode(self._encoders_for(segment), job, on_start=started)
        if made.clip.survey is not None:
            segment = await self._learn(segment, made.clip.survey)
            if segment.contents.empty or segment.end_timestamp != job.end_timestamp:
                return None
            parcel = replace(parcel, segment=segment)
        if made.clip.following is not None:
            await self._hand_over(segment, made.clip.following)
        return await self._pack(parcel, made)

    def _encoders_for(self, segment: Segment) -> tuple[Encoder, ...]:
        hold_ms = segment.end_timestamp - (segment.contents.last_sync or 0)
        wanted = self._policy.encoder if segment.contents.surveyed else "native"
        return encoder_chain.in_order(
            wanted, segment.contents, encoders=self._encoders, hold_ms=hold_ms
        )

    async def _learn(self, segment: Segment, survey: Survey) -> Segment:
        """The segment with what reading all of it found, journaled; raises WorkerFailed."""
        known = surveying.changes(segment, survey)
        return await self._journal.update_segment(segment.id, **known)

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
