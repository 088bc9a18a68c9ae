"""What a large segment holds, found out after its cut: the disk does not wait for that.

The cut looks at a large body's ends alone. Before anything is made of such a segment, the
``survey`` worker reads all of it behind its preamble, holds it against the cut's digest, and the
journal gets to know the contents.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kasm_recd import disk, process, sidecar
from kasm_recd.answers import answer
from kasm_recd.contents import Contents, Damage, contents_from_json
from kasm_recd.errors import WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
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
            contents = await self._read(segment, preamble, folder, attempt)
        except BaseException as error:
            await self._journal.end_attempt(attempt, "failed", str(error))
            raise
        finally:
            await asyncio.to_thread(disk.clear, folder)
        known = await self._journal.update_segment(segment.id, **_changes(segment, contents))
        await self._journal.end_attempt(attempt, "read")
        return known

    async def _read(
        self, segment: Segment, preamble: Preamble, folder: Path, attempt: int
    ) -> Contents:
        async def started(child: ChildId) -> None:
            await self._journal.attempt_started(attempt, child.pid, child.started)

        body = self._spool / "segments" / segment.folder / sidecar.BODY
        argv = [*self._argv, "--input", str(body), "--start", str(segment.start)]
        if preamble.path is not None:
            argv += ["--preamble", str(preamble.path)]
        done = await process.run(
            argv, folder=folder, limits=self._limits, on_start=started, check=True
        )
        found = answer("survey", done.stdout)
        try:
            contents, digest = contents_from_json(found["contents"]), found["sha256"]
        except (ValueError, LookupError, TypeError) as error:
            raise WorkerFailed(f"survey of segment {segment.id} gave no result: {error}") from error
        if digest != segment.sha256:
            raise WorkerFailed(f"{body} is not what was cut: its SHA-256 is {digest}")
        return contents


def unread(segment: Segment) -> Segment:
    """The segment as one that goes up without its contents known: all of it is named damaged."""
    place = Damage(segment.start, segment.end, "doubtful", "it could not be read")
    damage = (*segment.contents.damage, place)
    return segment.evolve(contents=replace(segment.contents, damage=damage, surveyed=True))


def _changes(segment: Segment, contents: Contents) -> dict[str, Any]:
    """The contents, and the times where reading it all found another first or last ``sync``."""
    told = segment.contents
    of_the_cut = (place for place in told.damage if place.kind == "oversize")
    damage = sorted((*contents.damage, *of_the_cut), key=lambda place: place.start)
    changes: dict[str, Any] = {"contents": replace(contents, damage=tuple(damage))}
    if None in (told.first_sync, told.last_sync, contents.first_sync, contents.last_sync):
        return changes
    sooner = (told.first_sync or 0) - (contents.first_sync or 0)
    later = (contents.last_sync or 0) - (told.last_sync or 0)
    if sooner:
        changes["began_at"] = segment.began_at - sooner / 1000
    if later > 0 or segment.end_timestamp == told.last_sync:
        changes["end_timestamp"] = segment.end_timestamp + later
        changes["ended_at"] = segment.ended_at + later / 1000
    return changes
