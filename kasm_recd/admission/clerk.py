"""From a question to a durable answer: the judge's word, the journal's, and the judge's again."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from kasm_recd.admission.verdict import ALLOW, STAGED, Decision, Reason
from kasm_recd.errors import DiskFull, JournalCorrupt, NameInUse
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from kasm_recd.admission.judge import Judge
    from kasm_recd.admission.request import AdmissionRequest
    from kasm_recd.admission.verdict import Facts
    from kasm_recd.session import Session

BOOK_DEADLINE_S: Final = 5.0  # for the journal

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where guacd shall record: its recording-path and recording-name."""

    recording_path: str | None
    recording_name: str | None


NOWHERE: Final = Place(None, None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a broker is told; ``repeated``: it was told so before."""

    decision: Decision
    place: Place = NOWHERE
    repeated: bool = False


class Office(Protocol):
    """What the clerk works with; the judge may be another one after each wait."""

    @property
    def judge(self) -> Judge:
        """Who decides now."""
        ...

    async def ready(self) -> None:
        """Returns when there are facts, or when it is clear that there will be none soon."""
        ...

    def facts(self) -> Facts:
        """What is known now; cheap."""
        ...

    async def book(self, session: Session) -> Session:
        """Makes session and promise durable, and gives the session in force.

        For a known ``kasm_id`` that is the first one. Raises NameInUse, JournalCorrupt, DiskFull.
        """
        ...

    async def unbook(self, session: Session) -> None:
        """Takes the promise back; raises as :meth:`book`."""
        ...

    def again(self, session_id: int) -> bool:
        """Gives the recording of a session time anew; false where it has appeared."""
        ...


class Clerk:
    """Answers any number of brokers; those who ask for the same session at once wait together."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._flights: dict[str, asyncio.Task[Answer | None]] = {}

    async def answer(self, asked: AdmissionRequest) -> Answer:
        """Decides; an allow for a session to be recorded is durable when this returns."""
        if not asked.record_sessions:
            return Answer(ALLOW)
        if asked.staged:
            return Answer(STAGED)
        while True:
            await self._office.ready()
            found = self._flights.get(asked.kasm_id) or self._start(asked)
            answer = found if isinstance(found, Answer) else await asyncio.shield(found)
            if answer is not None:
                return answer

    def _start(self, asked: AdmissionRequest) -> Answer | asyncio.Task[Answer | None]:
        """The answer, or the promise on its way to the journal."""
        judge, facts = self._office.judge, self._office.facts()
        now = time.monotonic()
        known = judge.again(asked.kasm_id, facts, now)
        if known and self._office.again(known.session_id):
            return Answer(ALLOW, Place(facts.recording_dir, known.recording_name), repeated=True)
        decision = judge.judge(asked.kasm_id, facts, now)
        if not decision.allow:
            return Answer(decision)
        flight = asyncio.create_task(self._promise(asked, judge))
        self._flights[asked.kasm_id] = flight
        flight.add_done_callback(lambda _: self._flights.pop(asked.kasm_id))
        return flight

    async def _promise(self, asked: AdmissionRequest, judge: Judge) -> Answer | None:
        """Makes durable what was booked; what certainly was not is taken back."""
        office = self._office
        session = asked.session(token=secrets.token_hex(4), at=time.time())
        try:
            async with asyncio.timeout(BOOK_DEADLINE_S):
                booked = await office.book(session)
        except NameInUse as error:
            figures = {"recording_name": asked.recording_name}
            refusal = Decision(Reason.NAME_IN_USE, str(error), figures)
        except JournalCorrupt as error:
            refusal = Decision(Reason.JOURNAL_CORRUPT, str(error))
        except DiskFull as error:
            refusal = Decision(Reason.DISK_FREE_LOW, str(error))
        else:
            return await self._tell(asked, booked, judge)
        judge.ledger.release(asked.kasm_id)
        return Answer(refusal)

    async def _tell(self, asked: AdmissionRequest, booked: Session, judge: Judge) -> Answer | None:
        """The write took its time: what is said must hold now. None: it is to be asked anew."""
        office = self._office
        if judge is not office.judge:  # new settings came, and with them new judgement
            return None
        facts = office.facts()
        decision = judge.keep(booked, facts, time.monotonic())
        if decision.allow:
            return Answer(decision, Place(facts.recording_dir, booked.recording_name))
        try:
            if judge.ledger.release(asked.kasm_id):
                await office.unbook(booked)
        except (JournalCorrupt, DiskFull) as error:
            # Until it lapses a restart will hold room for it, and no more.
            log.warning("admission.not_taken_back", kasm_id=asked.kasm_id, error=str(error))
        return Answer(decision)
