"""A new journal out of what lies in the spool, for when the old one is beyond reading.

Every segment's folder holds a sidecar: its session, its recording and where it lies in it. What a
sidecar does not know is lost and said to be: sessions that have no segment yet, keys already taken,
and recordings of which every segment was stored and purged.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kasm_recd import disk, manifest, sidecar
from kasm_recd.errors import ClipRejected, SidecarInvalid
from kasm_recd.journal import rows, schema
from kasm_recd.journal.connection import journal_errors, open_writing
from kasm_recd.journal.lock import Lock, lock_path
from kasm_recd.journal.opening import rebuilding_path
from kasm_recd.states import Form, SegmentEvent, SegmentState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from kasm_recd.recording import Recording
    from kasm_recd.segment import Artifact, Segment
    from kasm_recd.session import Session
    from kasm_recd.sidecar import Sidecar

#: What SQLite keeps beside its file.
COMPANIONS: Final = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found: how many of each, and where the old journal lies now.

    ``problems`` has a sentence for each folder that is not as it should be.
    """

    sessions: int
    recordings: int
    segments: int
    problems: tuple[str, ...]
    kept: Path | None


@dataclass(frozen=True, slots=True)
class _Found:
    """A folder of the spool: its sidecar, and the segment as far as its files show it."""

    note: Sidecar
    segment: Segment | None


def rebuild(path: Path, spool: Path) -> Rebuilt:
    """Makes the journal at ``path`` again from ``<spool>/segments``; the old one is kept beside.

    No byte will be cut twice: a recording is consumed up to the end of its last segment found.
    The old journal stays until the new one is whole, and :meth:`Journal.open` refuses in between.

    Raises:
        JournalLocked: a daemon holds the journal.
        JournalCorrupt: the new journal cannot be written.
        DiskFull: no room for it.
    """
    with journal_errors(path):
        lock = Lock.take(lock_path(path))
        try:
            found, problems = _look_through(spool / "segments")
            new = rebuilding_path(path)
            counts = _fill(new, found)
            kept = _set_aside(path)
            new.replace(path)
            disk.fsync_folder(path.parent)
        finally:
            lock.release()
    return Rebuilt(*counts, problems=tuple(problems), kept=kept)


def _look_through(folder: Path) -> tuple[list[_Found], list[str]]:
    found: list[_Found] = []
    problems: list[str] = []
    for place in sorted(folder.iterdir()) if folder.exists() else ():
        try:
            note = sidecar.read(place)
        except SidecarInvalid as error:
            problems.append(str(error))
            continue
        if note.segment.folder != place.name:
            problems.append(f"{place} holds the sidecar of {note.segment.folder}")
            continue
        segment, problem = _as_it_lies(place, note.segment)
        found.append(_Found(note, segment))
        problems.extend(problem)
    return found, problems


def _as_it_lies(folder: Path, sealed: Segment) -> tuple[Segment | None, list[str]]:
    """How far a segment got by the files in its folder; None when nothing of it is left."""
    problems: list[str] = []
    if [path.name for path in folder.iterdir()] == [sidecar.NAME]:
        # The last one of a recording that went on: stored, and kept to say where that was cut.
        return sealed.evolve(sequence=0, state=SegmentState.STORED), problems
    try:
        if made := manifest.adopt(folder):
            return _made(sealed, *made), problems
    except ClipRejected as error:
        problems.append(str(error))
    body = folder / sidecar.BODY
    if body.exists() and body.stat().st_size == sealed.length:
        return sealed.evolve(sequence=0), problems
    return None, [*problems, f"{body} does not hold the {sealed.length} bytes it should"]


def _made(sealed: Segment, described: dict[str, Any], artifacts: tuple[Artifact, ...]) -> Segment:
    """A segment of which everything that goes up was made."""
    raw = described.get("form") == Form.RAW
    return sealed.evolve(
        state=SegmentState.RAW if raw else SegmentState.ENCODED,
        sequence=described.get("sequence", 0),
        cause=described.get("cause", ""),
        owed=raw and described.get("cause") == SegmentEvent.PRESSURE,
        encoder=described.get("encoder", ""),
        artifacts=artifacts,
    )


def _fill(path: Path, found: Sequence[_Found]) -> tuple[int, int, int]:
    """Writes a whole journal at ``path``; gives how many sessions, recordings and segments."""
    for suffix in COMPANIONS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    connection = open_writing(path)
    try:
        schema.migrate(connection)
        connection.execute("BEGIN IMMEDIATE")
        sessions = _add_sessions(connection, found)
        recordings = _add_recordings(connection, found, sessions)
        segments = _add_segments(connection, found, sessions)
        up = max((one.note.segment.sealed_uptime for one in found), default=0.0)
        connection.execute("UPDATE meta SET uptime = ?", (up,))
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        path.unlink()
        raise
    connection.close()
    return len(sessions), recordings, segments


def _add_sessions(connection: sqlite3.Connection, found: Iterable[_Found]) -> dict[str, int]:
    """Gives kasm_id -> id; ids of an earlier journal mean nothing here."""
    values: dict[str, Session] = {}
    for one in found:
        values.setdefault(one.note.session.kasm_id, one.note.session)
    return {
        kasm_id: rows.insert(connection, "sessions", rows.columns_of_value(session))
        for kasm_id, session in values.items()
    }


def _add_recordings(
    connection: sqlite3.Connection, found: Iterable[_Found], sessions: dict[str, int]
) -> int:
    """Recordings keep their ids, which name folders; each as its last segment knew it."""
    values: dict[int, Recording] = {}
    for one in sorted(found, key=lambda one: one.note.segment.start):
        values[one.note.recording.id] = replace(
            one.note.recording,
            session_id=sessions[one.note.session.kasm_id],
            consumed=one.note.segment.start + one.note.segment.length,
        )
    for recording in values.values():
        columns = {**rows.columns_of_value(recording), "id": recording.id}
        rows.insert(connection, "recordings", {**columns, "changed_at": time.time()})
    return len(values)


def _add_segments(
    connection: sqlite3.Connection, found: Iterable[_Found], sessions: dict[str, int]
) -> int:
    """Segments in the order of their sealing.

    A session's are numbered in that order too, but for a number that a manifest already names: a
    sidecar is written before the number is given.
    """
    following = dict.fromkeys(sessions.values(), 0)
    left = [(one.note.session.kasm_id, one.segment) for one in found if one.segment is not None]
    left.sort(key=lambda item: (item[1].sealed_at, item[1].recording_id, item[1].start))
    for kasm_id, segment in left:
        session_id = sessions[kasm_id]
        sequence = max(segment.sequence, following[session_id])
        following[session_id] = sequence + 1
        numbered = segment.evolve(session_id=session_id, sequence=sequence)
        columns = {**rows.columns_of_value(numbered), "changed_at": time.time()}
        rows.insert(connection, "segments", columns)
    for session_id, number in following.items():
        rows.update(connection, "sessions", session_id, {"next_sequence": number})
    return len(left)


def _set_aside(path: Path) -> Path | None:
    """Moves the old journal, and what SQLite keeps beside it, out of the way."""
    kept = path.with_name(f"{path.name}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    there = path.exists()
    for suffix in COMPANIONS:
        if (old := path.with_name(path.name + suffix)).exists():
            old.rename(kept.with_name(kept.name + suffix))
    return kept if there else None
