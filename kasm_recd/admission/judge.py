"""The verdict: what is known, what was promised and what is asked, to one answer; pure.

No clock and no disk: times are time.monotonic() and come with the question. Between two questions
nothing else runs, so that of any number that come at once each sees what the others were promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kasm_recd.admission.gate import Gate, shortage
from kasm_recd.admission.ledger import Booking, Ledger
from kasm_recd.admission.verdict import ALLOW, Decision, objection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kasm_recd.admission.verdict import Facts
    from kasm_recd.session import Session


class Judge:
    """Decides about sessions that must be recorded, and remembers what it promised.

    Args:
        hold_s: how long room is held for a session whose recording does not appear.
        bookings: what the journal knows to be promised.
    """

    def __init__(self, hold_s: float, bookings: Iterable[Booking] = ()) -> None:
        self._hold_s = hold_s
        self._gate = Gate()
        self.ledger = Ledger(bookings)

    def again(self, kasm_id: str, facts: Facts, now: float) -> Booking | None:
        """A promise that is told again, and holds anew: durable, not lapsed, nothing against it.

        Its room is counted in already, so room is not asked for.
        """
        booking = self.ledger.pending(kasm_id, now)
        if booking is None or not booking.durable or objection(facts, now):
            return None
        renewed = Booking(kasm_id, now + self._hold_s, booking.recording_name, booking.session_id)
        self.ledger.confirm(renewed)
        return renewed

    def judge(self, kasm_id: str, facts: Facts, now: float) -> Decision:
        """Decides anew, and books when it allows: keep it or take it back.

        One that is on its way to the journal is not judged twice. One of which the recording has
        appeared is: room is held for both until the first is measured.
        """
        refusal = objection(facts, now)
        booking = self.ledger.pending(kasm_id, now)
        if refusal is None and (booking is None or booking.durable):
            refusal = self._gate.judge(facts, self.ledger.needs(facts, more=1))
            if refusal is None:
                self.ledger.book(kasm_id, now + self._hold_s)
        return refusal or ALLOW

    def keep(self, session: Session, facts: Facts, now: float) -> Decision:
        """Whether a booking that the journal has now can be told; from then on it stands.

        Without the gate's margin: the gate was open when it was booked.
        """
        refusal = objection(facts, now)
        more = 0 if self.ledger.pending(session.kasm_id, now) else 1
        for need in self.ledger.needs(facts, more=more):
            refusal = refusal or shortage(facts, need)
        if refusal is None:
            lapses_at = now + self._hold_s
            self.ledger.confirm(
                Booking(session.kasm_id, lapses_at, session.recording_name, session.id)
            )
        return refusal or ALLOW

    def look(self, facts: Facts, now: float) -> Decision:
        """Whether one more session would be allowed; changes nothing."""
        return objection(facts, now) or self.shortage(facts) or ALLOW

    def shortage(self, facts: Facts) -> Decision | None:
        """The room that one more session would lack; changes nothing."""
        return self._gate.look(facts, self.ledger.needs(facts, more=1))
