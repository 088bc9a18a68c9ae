"""Write verbs on recordings: plain functions of a connection inside a transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kasm_recd.errors import IllegalMove
from kasm_recd.journal import rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from kasm_recd.recording import Recording
    from kasm_recd.states import RecordingEvent


def load(connection: sqlite3.Connection, recording_id: int) -> Recording:
    """One recording; raises IllegalMove when there is none."""
    row = connection.execute("SELECT * FROM recordings WHERE id = ?", (recording_id,)).fetchone()
    if row is None:
        raise IllegalMove(f"the journal has no recording {recording_id}")
    return rows.recording_of(row)


def add(connection: sqlite3.Connection, recording: Recording, *, now: float) -> Recording:
    """Adds a recording; the id is the table's."""
    columns = {**rows.columns_of_value(recording), "changed_at": now}
    return replace(recording, id=rows.insert(connection, "recordings", columns))


def move(
    connection: sqlite3.Connection,
    recording_id: int,
    event: RecordingEvent,
    changes: Mapping[str, Any],
    *,
    now: float,
) -> Recording:
    """Takes the step that the table of legal moves has for ``event``."""
    rows.check_changes(changes, rows.RECORDING_CHANGES)
    recording = load(connection, recording_id)
    return _write(connection, recording, {**changes, "state": recording.after(event)}, now=now)


def update(
    connection: sqlite3.Connection, recording_id: int, changes: Mapping[str, Any], *, now: float
) -> Recording:
    """Changes what is free to change."""
    rows.check_changes(changes, rows.RECORDING_CHANGES)
    return _write(connection, load(connection, recording_id), changes, now=now)


def consume(
    connection: sqlite3.Connection, recording_id: int, start: int, end: int, *, now: float
) -> Recording:
    """Moves ``consumed`` from ``start`` to ``end``; raises IllegalMove when it is not there."""
    recording = load(connection, recording_id)
    if recording.consumed != start:
        raise IllegalMove(
            f"recording {recording_id} is consumed up to {recording.consumed}, not {start}"
        )
    return _write(connection, recording, {"consumed": end}, now=now)


def _write(
    connection: sqlite3.Connection, recording: Recording, changes: Mapping[str, Any], *, now: float
) -> Recording:
    changed = replace(recording, **changes)
    rows.update(
        connection, "recordings", recording.id, {**rows.columns_of(changes), "changed_at": now}
    )
    return changed
