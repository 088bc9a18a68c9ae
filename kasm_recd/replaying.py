"""The replaying stage: a sealed body, and what it plays from, become what the next one plays from.

Where the native encoder is about to read the segment anyway, the preamble comes from there, and
this stage steps in only when that fails. It shares the slots of encoding: both cost a CPU. Nothing
of it is journaled but its attempts, since the preamble's file is there whole or not at all. After
too many failures the next segment goes up raw, and so do those after it: what they show builds on
it.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Final

from kasm_recd import disk, preambles, process, sidecar
from kasm_recd.answers import answer
from kasm_recd.errors import OperatorError, Retried, WorkerFailed
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.process import ChildId
    from kasm_recd.segment import Segment

log = get_logger(__name__)

KIND: Final = "replay"


class ReplayStage:
    """One call of :meth:`work` is one attempt at one segment; called from bounded slots."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        limits: process.Limits,
        attempts: int,
        on_settled: Callable[[Segment], None],
        on_again: Callable[[Segment], None],
        on_full: Callable[[], None] = lambda: None,
        is_coming: Callable[[Segment], bool] = lambda _segment: False,
        argv: Sequence[str] = (),
    ) -> None:
        """``on_settled`` hears of the segment whose follower has its last word now.

        ``is_coming`` says whether an encode is due or under way that makes the preamble as well;
        a segment is offered again when that ended.
        ``argv`` takes the worker's place in tests.
        """
        self._journal = journal
        self._spool = spool
        self._limits = limits
        self._attempts = attempts
        self._on_settled = on_settled
        self._on_again = on_again
        self._on_full = on_full
        self._is_coming = is_coming
        self._argv = list(argv) or process.worker_argv("replay")

    def is_needed(self, segment: Segment) -> bool:
        """Whether to replay: what follows lacks a preamble, and no encode is about to make it."""
        return self.is_lacking(segment) and not self._is_coming(segment)

    def is_lacking(self, segment: Segment) -> bool:
        """Whether another segment follows or may follow, and has nothing to play from yet."""
        if preambles.after(self._spool, segment) is not None:
            return False
        follower = self._journal.segment_at(segment.recording_id, segment.end)
        return preambles.is_wanted(self._journal.source(segment), follower)

    async def work(self, segment_id: int) -> None:
        """Makes the preamble after a segment; never raises for trouble with the segment itself."""
        segment = self._journal.segment(segment_id)
        if segment is None or not self.is_needed(segment):
            return
        before = preambles.of(self._spool, segment)
        if before is None:
            return  # it is offered again when that is there
        if before.cause:
            settled = await self._give_up(segment, before.cause)
        elif not (self._body(segment)).exists():
            settled = await self._give_up(
                segment, "the segment before it is no longer in the spool"
            )
        else:
            settled = await self._attempt(segment, before.path)
        (self._on_settled if settled else self._on_again)(segment)

    async def _attempt(self, segment: Segment, preamble: Path | None) -> bool:
        """Whether that was the last word."""
        token = f"replay-{secrets.token_hex(8)}"
        attempt = await self._journal.begin_attempt(segment.id, KIND, token)
        folder = self._spool / "attempts" / token
        try:
            await asyncio.to_thread(folder.mkdir, mode=0o700)
            made = await self._replay(segment, preamble, folder, attempt)
            await asyncio.to_thread(preambles.publish, self._spool, segment, made)
        except (Retried, OperatorError, OSError) as error:
            full = disk.says_full(error)
            if full:
                self._on_full()
            await self._journal.end_attempt(attempt, "full" if full else "failed", str(error))
            return await self._after_failure(segment, str(error))
        finally:
            await asyncio.to_thread(disk.clear, folder)
        await self._journal.end_attempt(attempt, "made")
        return True

    async def _replay(
        self, segment: Segment, preamble: Path | None, folder: Path, attempt: int
    ) -> Path:
        async def started(child: ChildId) -> None:
            await self._journal.attempt_started(attempt, child.pid, child.started)

        made = folder / "preamble.guac"
        argv = [*self._argv, "--input", str(self._body(segment)), "--output", str(made)]
        if preamble is not None:
            argv += ["--preamble", str(preamble)]
        done = await process.run(
            argv, folder=folder, limits=self._limits, on_start=started, check=True
        )
        length = _result(done.stdout)["length"]
        if not made.is_file() or made.stat().st_size != length:
            raise WorkerFailed(f"replay of segment {segment.id} did not write what it said")
        log.info(
            "preamble.made", length=length, cpu_s=round(done.cpu_s, 2), **segment.log_context()
        )
        return made

    async def _after_failure(self, segment: Segment, error: str) -> bool:
        failed = self._journal.failed_attempts(segment.id, KIND)
        log.warning("preamble.failed", error=error, attempts=len(failed), **segment.log_context())
        if len(failed) < self._attempts:
            return False
        return await self._give_up(segment, error)

    async def _give_up(self, segment: Segment, cause: str) -> bool:
        """Whether that could be noted; on a full disk it is tried again."""
        where = (segment.recording_id, segment.end)
        try:
            await asyncio.to_thread(preambles.give_up, self._spool, *where, cause)
        except OSError as error:
            if not disk.says_full(error):
                raise
            self._on_full()
            return False
        log.error(
            "preamble.gave_up",
            cause=cause,
            hint="The segments that follow in this recording are stored raw.",
            **segment.log_context(),
        )
        return True

    def _body(self, segment: Segment) -> Path:
        return self._spool / "segments" / segment.folder / sidecar.BODY


def _result(stdout: bytes) -> dict[str, Any]:
    found = answer("replay", stdout)
    try:
        return {**found, "length": int(found["length"])}
    except (ValueError, LookupError, TypeError) as error:
        raise WorkerFailed(f"worker replay gave no result: {error}") from error
