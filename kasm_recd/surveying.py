"""What a large segment holds, found out after its cut: the disk does not wait for that.

The cut looks at a large body's ends alone. A first native encode reads all of it behind its
preamble anyway, and tells what it holds; before anything else is made of such a segment, the
``survey`` worker reads it for that alone. Either way it is held against the cut's digest, and the
journal gets to know the contents before there is a manifest of them.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kasm_recd import disk, process, sidecar
from kasm_recd.answers import answer
from kasm_recd.contents import Damage, Survey, contents_from_json
from kasm_recd.errors import WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.preambles import Preamble
    from kasm_recd.process import ChildId
    from kasm_recd.segment import Segment

KIND: Final = "survey"


class Surveyor:
    """Reads segments that were cut at a glance."""

    def __init__(
        self, *, journal: Journal, spool: Path, limits: process.Limits, argv: Sequence[str] = ()
    ) -> None:
        """``argv`` takes the worker's place in tests."""
        self._journal = journal
        self._spool = spool
        self._limits = limits
        self._argv = list(argv) or process.worker_argv("survey")

    async def survey(self, segment: Segment, preamble: Preamble) -> Segment:
        """The segment with its contents, journaled.

        Raises:
            Retried: the worker failed, or the body is not what was cut.
            OSError: no folder to work in.
        """
        token = f"{KIND}-{secrets.token_hex(8)}"
        attempt = await self._journal.begin_attempt(segment.id, KIND, token)
        folder = self._spool / "attempts" / token
        try:
            await asyncio.to_thread(folder.mkdir, mode=0o700)
            survey = await self._read(segment, preamble, folder, attempt)
            known = changes(segment, survey)
        except BaseException as error:
            await self._journal.end_attempt(attempt, "failed", str(error))
            raise
        finally:
            await asyncio.to_thread(disk.clear, folder)
        surveyed = await self._journal.update_segment(segment.id, **known)
        await self._journal.end_attempt(attempt, "read")
        return surveyed

    async def _read(
        self, segment: Segment, preamble: Preamble, folder: Path, attempt: int
    ) -> Survey:
        async def started(child: ChildId) -> None:
            await self._journal.attempt_started(attempt, child.pid, child.started)

        body = self._spool / "segments" / segment.folder / sidecar.BODY
        argv = [*self._argv, "--input", str(body), "--start", str(segment.start)]
        if preamble.path is not None:
            argv += ["--preamble", str(preamble.path)]
        done = await process.run(
            argv, folder=folder, limits=self._limits, on_start=started, check=True
        )
        return told(answer("survey", done.stdout))


def told(found: Mapping[str, Any]) -> Survey:
    """The survey in a worker's answer; raises WorkerFailed where there is none."""
    try:
        return Survey(contents_from_json(found["contents"]), found["sha256"])
    except (ValueError, LookupError, TypeError) as error:
        raise WorkerFailed(f"the worker does not say what it has read: {error}") from error


def unread(segment: Segment) -> Segment:
    """The segment as one that goes up without its contents known: all of it is named damaged."""
    place = Damage(segment.start, segment.end, "doubtful", "it could not be read")
    damage = (*segment.contents.damage, place)
    return segment.evolve(contents=replace(segment.contents, damage=damage, surveyed=True))


def changes(segment: Segment, survey: Survey) -> dict[str, Any]:
    """What the journal is to know of a segment that was cut at a glance.

    Its contents, and its times where reading it all found another first or last ``sync``. Raises
    WorkerFailed where the body is not what was cut.
    """
    if survey.sha256 != segment.sha256:
        raise WorkerFailed(
            f"the body of segment {segment.id} is not what was cut: its SHA-256 is {survey.sha256}"
        )
    told, contents = segment.contents, survey.contents
    of_the_cut = (place for place in told.damage if place.kind == "oversize")
    damage = sorted((*contents.damage, *of_the_cut), key=lambda place: place.start)
    known: dict[str, Any] = {"contents": replace(contents, damage=tuple(damage))}
    if None in (told.first_sync, told.last_sync, contents.first_sync, contents.last_sync):
        return known
    sooner = (told.first_sync or 0) - (contents.first_sync or 0)
    later = (contents.last_sync or 0) - (told.last_sync or 0)
    if sooner:
        known["began_at"] = segment.began_at - sooner / 1000
    if later > 0 or segment.end_timestamp == told.last_sync:
        known["end_timestamp"] = segment.end_timestamp + later
        known["ended_at"] = segment.ended_at + later / 1000
    return known
