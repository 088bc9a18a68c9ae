"""Write verbs on the journal as a whole: after a boot, the clock, and what may be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kasm_recd.journal import attempts, rows, segments
from kasm_recd.states import RecordingState, SegmentEvent, SegmentState

if TYPE_CHECKING:
    import sqlite3

    from kasm_recd.journal.attempts import Attempt
    from kasm_recd.segment import Segment

BUSY: Final = (SegmentState.ENCODING, SegmentState.UPLOADING)
OVER: Final = (SegmentState.PURGED, SegmentState.EXPIRED)
GONE: Final = (RecordingState.REMOVED, RecordingState.LOST)
#: A clock that ran on as it was is not noted again, in s; NTP's slew is noted when it sums to this.
CLOCK_TOLERANCE_S: Final = 0.05

# The segments of a recording that goes on are still asked where it was cut, and when.
_PRUNE_SEGMENTS = """
DELETE FROM segments WHERE state IN (?, ?) AND changed_at < ?
    AND recording_id IN (SELECT id FROM recordings WHERE state IN (?, ?))"""
_PRUNE_RECORDINGS = """
DELETE FROM recordings WHERE state IN (?, ?) AND changed_at < ?
    AND NOT EXISTS (SELECT 1 FROM segments WHERE recording_id = recordings.id)"""
_PRUNE_SESSIONS = """
DELETE FROM sessions WHERE admitted_at < ?
    AND NOT EXISTS (SELECT 1 FROM recordings WHERE session_id = sessions.id)
    AND NOT EXISTS (SELECT 1 FROM watches WHERE session_id = sessions.id)
    AND NOT EXISTS (
        SELECT 1 FROM breaches WHERE session_id = sessions.id AND settled_at IS NULL
    )"""
_PRUNE_CLOCK = """
DELETE FROM clock WHERE at < ? AND boot_id NOT IN (SELECT boot_id FROM recordings)"""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a crash or a stop left: segments put back, and attempts whose children may live on."""

    segments: tuple[Segment, ...]
    attempts: tuple[Attempt, ...]


def recover(connection: sqlite3.Connection, *, now: float) -> Recovered:
    """Puts every busy segment back to where it came from, and ends every attempt."""
    busy = connection.execute(
        "SELECT id FROM segments WHERE state IN (?, ?) ORDER BY id", BUSY
    ).fetchall()
    put_back = tuple(
        segments.move(connection, row["id"], SegmentEvent.RESTART, {}, now=now) for row in busy
    )
    return Recovered(put_back, attempts.end_all(connection, "restart", now=now))


def note_clock(connection: sqlite3.Connection, boot_id: str, offset_s: float, at: float) -> None:
    """Notes CLOCK_REALTIME - CLOCK_MONOTONIC (s) of a boot at Unix time ``at``."""
    rows.insert(connection, "clock", {"boot_id": boot_id, "offset_s": offset_s, "at": at})


def add_uptime(connection: sqlite3.Connection, seconds: float) -> float:
    """Adds to the time the daemon was up, and gives the total in s."""
    row = connection.execute(
        "UPDATE meta SET uptime = uptime + ? RETURNING uptime", (seconds,)
    ).fetchone()
    return float(row[0])


def prune(connection: sqlite3.Connection, *, before: float) -> int:
    """Forgets what was over before Unix time ``before``, and gives the number of rows.

    Purged and expired segments, with their attempts, of recordings that are gone; then such
    recordings that have none left; then sessions that have nothing left, which frees their
    recording names; then clock notes that no recording needs.
    """
    steps = (
        (_PRUNE_SEGMENTS, (*OVER, before, *GONE)),
        (_PRUNE_RECORDINGS, (*GONE, before)),
        (_PRUNE_SESSIONS, (before,)),
        (_PRUNE_CLOCK, (before,)),
    )
    return sum(connection.execute(statement, values).rowcount for statement, values in steps)
