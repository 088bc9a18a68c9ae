"""Breaches from their first word to their settling: journaled, logged, told to the operator.

While one is open it speaks against further recorded sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kasm_recd import metrics
from kasm_recd.breach import BreachKind, Settled
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kasm_recd.breach import Breach
    from kasm_recd.journal import Journal
    from kasm_recd.recording import Recording

log = get_logger(__name__)

HINT: Final = (
    "The session goes on without being recorded: end it. Recorded sessions are refused until a "
    "recording appears again, or somebody calls: kasm-recd settle KASM_ID"
)


class OpenBreaches:
    """The journal's breaches that nobody settled; every verb raises as the journal's do."""

    def __init__(self, journal: Journal, sound: Callable[[Breach], None]) -> None:
        """``sound`` is told of each breach, and must not wait."""
        self._journal = journal
        self._sound = sound
        self._open: list[Breach] | None = None  # as in the journal; None: to be read again

    def figures(self) -> dict[str, int]:
        """How many breaches are open, and how many of each kind the journal remembers."""
        found = self._journal.breach_counts()
        return {"open": found.pop("open"), **found}

    def error(self) -> str | None:
        """Why no further recorded session may start, in a sentence; None where nothing is open."""
        if self._open is None:
            self._open = self.all()
        if not self._open:
            return None
        first = self._open[0]
        return (
            f"Session {first.kasm_id} is not being recorded ({first.kind}: {first.detail}), "
            f"{len(self._open)} in all."
        )

    def all(self) -> list[Breach]:
        """Those that are open, oldest first."""
        return self._journal.breaches(only_open=True)

    def tell(self) -> None:
        """Tells the operator of those that were not told yet."""
        for breach in self.all():
            if breach.told_at is None:
                self._sound(breach)

    async def add(
        self,
        session_id: int,
        kind: BreachKind,
        detail: str,
        recording: Recording | None,
        size: int | None = None,
    ) -> None:
        """Says a breach, unless it was said before; ``size``: the recording's bytes then."""
        breach = await self._journal.add_breach(
            session_id,
            kind,
            recording_id=recording.id if recording else None,
            detail=detail,
            size=size,
        )
        self._open = None
        if breach is None:
            return
        metrics.count("kasm_recd_breaches_total", kind=str(kind))
        context = {"kasm_id": breach.kasm_id, "breach": kind, "detail": detail, "at": breach.at}
        if kind is BreachKind.TORN:
            log.critical("recording.torn", **context)
        else:
            log.critical("session.unrecorded", hint=HINT, **context)
        self._sound(breach)

    async def recorded(self, breaches: Iterable[Breach]) -> None:
        """Settles ``breaches``: it is seen again that sessions are recorded."""
        wanted = [breach.id for breach in breaches]
        if wanted:
            await self._end(wanted, Settled.RECORDED)

    async def settle(self, kasm_id: str) -> list[Breach]:
        """The operator's word that a session's open breaches are dealt with; gives those."""
        session = self._journal.session(kasm_id)
        found = self._journal.breaches_of(session.id) if session else []
        return await self._end([breach.id for breach in found], Settled.OPERATOR)

    async def _end(self, breach_ids: list[int], by: Settled) -> list[Breach]:
        settled = await self._journal.settle(breach_ids, by)
        self._open = None
        for breach in settled:
            log.warning("breach.settled", kasm_id=breach.kasm_id, breach=breach.kind, by=by)
        return settled
