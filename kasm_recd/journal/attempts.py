"""Attempts: who works on a segment, so that the next boot can end what a crash left running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kasm_recd.errors import IllegalMove
from kasm_recd.journal import rows

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class Attempt:
    """One go at a segment. ``token`` names its private folder.

    ``pid`` and ``started`` (psutil's create_time, Unix seconds) name its child process, None where
    none was started.
    """

    id: int
    segment_id: int
    kind: str
    token: str
    began_at: float
    pid: int | None
    started: float | None


def begin(
    connection: sqlite3.Connection, segment_id: int, kind: str, token: str, *, now: float
) -> int:
    """Notes an attempt before it begins, and gives its id."""
    columns = {"segment_id": segment_id, "kind": kind, "token": token, "began_at": now}
    return rows.insert(connection, "attempts", columns)


def note_child(
    connection: sqlite3.Connection, attempt_id: int, *, pid: int, started: float
) -> None:
    """Notes the child process of an attempt."""
    cursor = connection.execute(
        "UPDATE attempts SET pid = ?, started = ? WHERE id = ? AND ended_at IS NULL",
        (pid, started, attempt_id),
    )
    _check_under_way(cursor, attempt_id)


def end(
    connection: sqlite3.Connection, attempt_id: int, outcome: str, detail: str, *, now: float
) -> None:
    """Notes how an attempt ended."""
    cursor = connection.execute(
        "UPDATE attempts SET ended_at = ?, outcome = ?, detail = ?"
        " WHERE id = ? AND ended_at IS NULL",
        (now, outcome, detail, attempt_id),
    )
    _check_under_way(cursor, attempt_id)


def end_all(connection: sqlite3.Connection, outcome: str, *, now: float) -> tuple[Attempt, ...]:
    """Ends every attempt that is under way, and gives them."""
    found = connection.execute(
        "SELECT id, segment_id, kind, token, began_at, pid, started"
        " FROM attempts WHERE ended_at IS NULL ORDER BY id"
    ).fetchall()
    connection.execute(
        "UPDATE attempts SET ended_at = ?, outcome = ? WHERE ended_at IS NULL", (now, outcome)
    )
    return tuple(Attempt(*row) for row in found)


def _check_under_way(cursor: sqlite3.Cursor, attempt_id: int) -> None:
    if cursor.rowcount != 1:
        raise IllegalMove(f"attempt {attempt_id} is not under way")
