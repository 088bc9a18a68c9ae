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
    from collections.abc import Iterable, Iterator

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

    def pending(self, kasm_id: str, now: float) -> Booking | None:
        """The booking of a session that has not lapsed."""
        booking = self._bookings.get(kasm_id)
        return booking if booking is not None and now < booking.lapses_at else None

    def book(self, kasm_id: str, lapses_at: float) -> Booking:
        """Holds room for a session, from now on."""
        booking = self._bookings[kasm_id] = Booking(kasm_id, lapses_at)
        return booking

    def confirm(self, booking: Booking) -> None:
        """The journal has the session's booking, or it was told again: it holds anew."""
        self._bookings[booking.kasm_id] = booking

    def release(self, kasm_id: str) -> bool:
        """Takes a booking back, unless it was told already; true where one was."""
        booking = self._bookings.get(kasm_id)
        if booking is None or booking.durable:
            return False
        del self._bookings[kasm_id]
        return True

    def settled(self, pending: Iterable[str]) -> tuple[Booking, ...]:
        """Durable bookings that the journal does not know as pending any more."""
        still = set(pending)
        return tuple(b for b in self._bookings.values() if b.durable and b.kasm_id not in still)

    def drop(self, bookings: Iterable[Booking], now: float) -> None:
        """Ends ``bookings``, unless they were made anew since, and all that have lapsed."""
        for booking in bookings:
            if self._bookings.get(booking.kasm_id) is booking:
                del self._bookings[booking.kasm_id]
        for booking in [b for b in self._bookings.values() if now >= b.lapses_at]:
            del self._bookings[booking.kasm_id]

    def needs(self, facts: Facts, now: float, *, asking: str = "") -> Iterator[Need]:
        """What sessions may still take of each file system, with one for ``asking`` (empty: none).

        A live session needs its reserve less what its uncut bytes take already, on the recordings'
        file system; on the spool's, where that is another one, they have taken nothing yet. One
        that asks or is booked has a recording to come: it needs all of it.
        """
        awaited = {b.kasm_id for b in self._bookings.values() if now < b.lapses_at}
        if asking:
            awaited.add(asking)
        live = {name: size for name, size in facts.live.items() if name not in awaited}
        whole = facts.reserve * len(awaited)
        sessions = len(awaited) + len(live)
        for room in facts.rooms:
            if room is facts.recording_room:
                rest = sum(max(0, facts.reserve - size) for size in live.values())
            else:
                rest = facts.reserve * len(live)
            yield Need(room, sessions, whole + rest)

    def __len__(self) -> int:
        return len(self._bookings)
