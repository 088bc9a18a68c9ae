"""What was promised: bookings of sessions whose recording has not appeared yet; pure.

What admitted sessions may still need is summed up anew for every question, from the bookings and
from what was measured of live sessions; nothing is counted down, so nothing can be counted wrong.

A booking is of a session, made before the journal hears of it, so that requests that come at once
see each other. It ends when the session's recording appears (the session is then measured), when it
lapses, or when it is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kasm_recd.admission.gate import Need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kasm_recd.admission.verdict import Facts


@dataclass(frozen=True, slots=True)
class Booking:
    """Room that is held for a session until ``lapses_at`` (time.monotonic()).

    ``recording_name`` is empty until the journal has it: only then may it be told again.
    ``session_id`` is the journal's own.
    """

    kasm_id: str
    lapses_at: float
    recording_name: str = ""
    session_id: int = 0

    @property
    def durable(self) -> bool:
        """Whether the journal has it."""
        return bool(self.recording_name)


class Ledger:
    """The bookings in force; times are time.monotonic()."""

    def __init__(self, bookings: Iterable[Booking] = ()) -> None:
        self._bookings = {booking.kasm_id: booking for booking in bookings}
        #: Those whose recording appeared and was not measured yet; a new one took their place.
        self._leaving: list[Booking] = []
        self._counted: tuple[float, int] | None = None

    def pending(self, kasm_id: str, now: float) -> Booking | None:
        """The booking of a session that has not lapsed."""
        booking = self._bookings.get(kasm_id)
        return booking if booking is not None and now < booking.lapses_at else None

    def book(self, kasm_id: str, lapses_at: float) -> Booking:
        """Holds room for a recording to come, from now on, besides one that has appeared."""
        before = self._bookings.get(kasm_id)
        if before is not None and before.durable:
            self._leaving.append(before)
        if self._counted and before is None and self._counted[0] < lapses_at:
            self._counted = (self._counted[0], self._counted[1] + 1)
        else:
            self._counted = None
        booking = self._bookings[kasm_id] = Booking(kasm_id, lapses_at)
        return booking

    def confirm(self, booking: Booking) -> None:
        """The journal has the session's booking, or it was told again: it holds anew."""
        before, counted = self._bookings.get(booking.kasm_id), self._counted
        if before is None or (counted and before.lapses_at <= counted[0] < booking.lapses_at):
            self._counted = None
        self._bookings[booking.kasm_id] = booking

    def release(self, kasm_id: str) -> bool:
        """Takes a booking back, unless it was told already; true where one was."""
        booking = self._bookings.get(kasm_id)
        if booking is None or booking.durable:
            return False
        del self._bookings[kasm_id]
        self._counted = None
        return True

    def settled(self, awaits: Callable[[int], bool]) -> tuple[Booking, ...]:
        """Bookings of which the recording is not awaited any more, by the session's own id."""
        booked = self._bookings.values()
        gone = (b for b in booked if b.durable and not awaits(b.session_id))
        return (*gone, *self._leaving)

    def drop(self, bookings: Iterable[Booking], measured_at: float) -> None:
        """Ends ``bookings``, unless they were made anew since, and all that lapsed by then."""
        over = {id(booking) for booking in bookings}
        self._counted = None
        self._leaving = [
            b for b in self._leaving if id(b) not in over and measured_at < b.lapses_at
        ]
        self._bookings = {
            name: b
            for name, b in self._bookings.items()
            if id(b) not in over and measured_at < b.lapses_at
        }

    def needs(self, facts: Facts, *, more: int = 0) -> Iterator[Need]:
        """What sessions, and ``more`` beside them, may still take of each file system.

        A recording to come needs its whole reserve; one that appeared in the last moment of its
        booking too, until facts know of it. A live session needs what its uncut bytes lack
        of that, on the recordings' file system; on the spool's, where that is another one, they
        have taken nothing yet.
        """
        awaited = self._awaited(facts.at) + more
        sessions, whole = awaited + len(facts.live), facts.reserve * awaited
        for room in facts.rooms:
            here = room is facts.recording_room
            rest = facts.rest if here else facts.reserve * len(facts.live)
            yield Need(room, sessions, whole + rest)

    def _awaited(self, measured_at: float) -> int:
        """Bookings in force at ``measured_at``, counted anew unless only new ones came since."""
        if self._counted is None or self._counted[0] != measured_at:
            booked = (*self._bookings.values(), *self._leaving)
            count = sum(measured_at < booking.lapses_at for booking in booked)
            self._counted = (measured_at, count)
        return self._counted[1]

    def __len__(self) -> int:
        return len(self._bookings)
