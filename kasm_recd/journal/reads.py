"""The read verbs: synchronous and cheap, on a connection that cannot write.

They see every commit whose verb has returned, and nothing half-done.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from kasm_recd.clock import Scale
from kasm_recd.errors import JournalCorrupt
from kasm_recd.journal import breaches, figures, promises
from kasm_recd.journal.connection import journal_errors
from kasm_recd.journal.opening import open_beside
from kasm_recd.journal.rows import breach_of, recording_of, segment_of, session_of, watch_of
from kasm_recd.states import RecordingState, SegmentState

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path
    from types import TracebackType

    from kasm_recd.breach import Breach, Watch
    from kasm_recd.journal.promises import Live, Promise
    from kasm_recd.journal.rows import Column
    from kasm_recd.recording import Recording
    from kasm_recd.segment import Segment
    from kasm_recd.session import Session


class JournalReader:
    """Reads a journal; raises JournalCorrupt where the file does not make sense any more."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._reading = connection

    def session(self, kasm_id: str) -> Session | None:
        """The session of that name at the broker."""
        rows = self._rows("SELECT * FROM sessions WHERE kasm_id = ?", kasm_id)
        return session_of(rows[0]) if rows else None

    def session_by_id(self, session_id: int) -> Session | None:
        """The session with the journal's own id."""
        rows = self._rows("SELECT * FROM sessions WHERE id = ?", session_id)
        return session_of(rows[0]) if rows else None

    def owner(self, of: Recording | Segment) -> Session:
        """The session that a recording or segment belongs to.

        Raises:
            JournalCorrupt: there is none, which the journal's foreign keys rule out.
        """
        session = self.session_by_id(of.session_id)
        if session is None:
            raise JournalCorrupt(f"{self._path} has no session {of.session_id}")
        return session

    def source(self, segment: Segment) -> Recording:
        """The recording that a segment was cut from; raises JournalCorrupt as :meth:`owner`."""
        recording = self.recording(segment.recording_id)
        if recording is None:
            raise JournalCorrupt(f"{self._path} has no recording {segment.recording_id}")
        return recording

    def session_by_recording_name(self, name: str) -> Session | None:
        """The session that owns a recording name."""
        rows = self._rows("SELECT * FROM sessions WHERE recording_name = ?", os.fsencode(name))
        return session_of(rows[0]) if rows else None

    def recording(self, recording_id: int) -> Recording | None:
        """One recording."""
        rows = self._rows("SELECT * FROM recordings WHERE id = ?", recording_id)
        return recording_of(rows[0]) if rows else None

    def recordings(self, *states: RecordingState) -> list[Recording]:
        """All recordings in one of ``states`` (none given: all), oldest first."""
        return [recording_of(row) for row in self._in_states("recordings", states)]

    def segment(self, segment_id: int) -> Segment | None:
        """One segment."""
        rows = self._rows("SELECT * FROM segments WHERE id = ?", segment_id)
        return segment_of(rows[0]) if rows else None

    def segments(self, *states: SegmentState) -> list[Segment]:
        """All segments in one of ``states`` (none given: all), oldest first."""
        return [segment_of(row) for row in self._in_states("segments", states)]

    def segments_of(self, recording_id: int) -> list[Segment]:
        """A recording's segments, from its start."""
        rows = self._rows(
            "SELECT * FROM segments WHERE recording_id = ? ORDER BY start", recording_id
        )
        return [segment_of(row) for row in rows]

    def segment_ending(self, recording_id: int, end: int) -> Segment | None:
        """The recording's segment of which the last byte lies before offset ``end``."""
        rows = self._rows(
            "SELECT * FROM segments WHERE recording_id = ? AND start + length = ?",
            *(recording_id, end),
        )
        return segment_of(rows[0]) if rows else None

    def segment_at(self, recording_id: int, start: int) -> Segment | None:
        """The recording's segment that begins at offset ``start``."""
        rows = self._rows(
            "SELECT * FROM segments WHERE recording_id = ? AND start = ?", recording_id, start
        )
        return segment_of(rows[0]) if rows else None

    def failed_attempts(self, segment_id: int, kind: str) -> list[str]:
        """What each failed attempt of a kind at a segment said, oldest first."""
        rows = self._rows(
            "SELECT detail FROM attempts WHERE segment_id = ? AND kind = ? AND outcome = 'failed'"
            " ORDER BY id",
            *(segment_id, kind),
        )
        return [row["detail"] for row in rows]

    def recordings_of(self, session_id: int) -> list[Recording]:
        """A session's recordings, oldest first."""
        rows = self._rows("SELECT * FROM recordings WHERE session_id = ? ORDER BY id", session_id)
        return [recording_of(row) for row in rows]

    def promises(self) -> list[Promise]:
        """Recordings that were promised and have not appeared."""
        rows = self._rows(f"{promises.PROMISES} WHERE {promises.PENDING}")
        return [promises.promise_of(row) for row in rows]

    def promise(self, kasm_id: str) -> Promise | None:
        """The recording that was promised to a session and has not appeared."""
        wanted = f"{promises.PROMISES} WHERE kasm_id = ? AND {promises.PENDING}"
        rows = self._rows(wanted, kasm_id)
        return promises.promise_of(rows[0]) if rows else None

    def live(self) -> list[Live]:
        """The recordings of which bytes may still be in no segment."""
        states = (RecordingState.GROWING, RecordingState.FINISHED)
        return [promises.live_of(row) for row in self._rows(promises.LIVE, *states)]

    def watches(self) -> list[Watch]:
        """The sessions that were allowed and whose recording has not appeared."""
        return [watch_of(row) for row in self._rows("SELECT * FROM watches ORDER BY allowed_at")]

    def breaches(self, *, only_open: bool = False) -> list[Breach]:
        """All breaches that the journal remembers, or those that are not settled; oldest first."""
        wanted = "WHERE settled_at IS NULL" if only_open else ""
        rows = self._rows(f"{breaches.SELECT} {wanted} ORDER BY breaches.id")
        return [breach_of(row) for row in rows]

    def breaches_of(self, session_id: int) -> list[Breach]:
        """A session's breaches, oldest first."""
        wanted = "WHERE breaches.session_id = ? ORDER BY breaches.id"
        return [breach_of(row) for row in self._rows(f"{breaches.SELECT} {wanted}", session_id)]

    def breach_counts(self) -> dict[str, int]:
        """Kind -> how many breaches are remembered; ``open``: how many are not settled."""
        return figures.breaches_by_kind(self._rows)

    def clock_scale(self, boot_id: str) -> Scale | None:
        """What is known of a boot's clocks; None for a boot that was never noted."""
        rows = self._rows("SELECT at, offset_s FROM clock WHERE boot_id = ? ORDER BY id", boot_id)
        notes = tuple((row["at"] - row["offset_s"], row["offset_s"]) for row in rows)
        return Scale(notes) if notes else None

    def uptime(self) -> float:
        """How long the daemon was up, in s, over all its starts."""
        return float(self._rows("SELECT uptime FROM meta")[0]["uptime"])

    def recordings_open(self) -> int:
        """How many recordings may still lie in the folder; cheaper than to read them."""
        return figures.recordings_open(self._rows)

    def counts(self) -> dict[str, int]:
        """State -> how many segments are in it; every state has an entry."""
        return figures.segments_by_state(self._rows)

    def oldest_unstored(self) -> float | None:
        """When the oldest segment that only the spool has was sealed, in Unix seconds."""
        return figures.over_unstored(self._rows, "min(sealed_at)")

    def bytes_at_risk(self) -> int:
        """Bytes of recordings that only the spool has."""
        return int(figures.over_unstored(self._rows, "sum(length)") or 0)

    def clips_owed(self) -> int:
        """How many segments went up raw under pressure, or are to, and are owed a clip."""
        return int(self._rows("SELECT count(*) AS n FROM segments WHERE owed")[0]["n"])

    def _in_states(
        self, table: str, states: tuple[RecordingState, ...] | tuple[SegmentState, ...]
    ) -> list[sqlite3.Row]:
        marks = ", ".join("?" * len(states))
        wanted = f"WHERE state IN ({marks})" if states else ""
        return self._rows(f"SELECT * FROM {table} {wanted} ORDER BY id", *states)  # noqa: S608 - ours

    def _rows(self, statement: str, *parameters: Column) -> list[sqlite3.Row]:
        with journal_errors(self._path):
            return self._reading.execute(statement, parameters).fetchall()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._reading.close()


def read_only(path: Path) -> JournalReader:
    """Reads a journal beside the daemon that holds it; close it with ``with``.

    Raises:
        JournalCorrupt: there is none, it is damaged, or of another version than this release's.
    """
    return JournalReader(path, open_beside(path))
