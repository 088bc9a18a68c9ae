"""Write verbs on watches and breaches: plain functions of a connection inside a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kasm_recd.breach import REFUSING, Breach, BreachKind, Settled
from kasm_recd.journal import rows, sessions

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from kasm_recd.session import Session

#: Breaches with their session's name at the broker.
SELECT: Final = (
    "SELECT breaches.*, sessions.kasm_id FROM breaches"
    " JOIN sessions ON sessions.id = breaches.session_id"
)


def allow(connection: sqlite3.Connection, session: Session, *, boot_id: str, now: float) -> Session:
    """Admits a session and watches for its recording; a session that is known is watched anew.

    Raises:
        NameInUse: another session owns the recording name.
    """
    admitted = sessions.admit(connection, session)
    newest = connection.execute("SELECT coalesce(max(id), 0) AS id FROM recordings").fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO watches (session_id, allowed_at, boot_id, after_recording)"
        " VALUES (?, ?, ?, ?)",
        (admitted.id, now, boot_id, newest["id"]),
    )
    return admitted


def end_watch(connection: sqlite3.Connection, session_id: int) -> None:
    """The session's recording appeared, or will not be waited for any longer."""
    connection.execute("DELETE FROM watches WHERE session_id = ?", (session_id,))


def add(
    connection: sqlite3.Connection,
    session_id: int,
    kind: BreachKind,
    *,
    recording_id: int | None,
    detail: str,
    size: int | None,
    now: float,
) -> Breach | None:
    """Notes a breach; None where the same is noted already: open, or of the same recording."""
    known = connection.execute(
        "SELECT 1 FROM breaches WHERE session_id = ? AND kind = ?"
        " AND (settled_at IS NULL OR (kind = ? AND recording_id IS ?))",
        (session_id, kind, BreachKind.TORN, recording_id),
    ).fetchone()
    if kind is BreachKind.NEVER_APPEARED:
        end_watch(connection, session_id)
    if known is not None:
        return None
    columns = {
        "session_id": session_id,
        "kind": kind,
        "at": now,
        "recording_id": recording_id,
        "detail": detail,
        "size": size,
        **({} if kind in REFUSING else {"settled_at": now, "settled_by": Settled.NOTED}),
    }
    row_id = rows.insert(connection, "breaches", columns)
    found = connection.execute(f"{SELECT} WHERE breaches.id = ?", (row_id,)).fetchone()
    return rows.breach_of(found)


def note_told(connection: sqlite3.Connection, breach_id: int, *, now: float) -> None:
    """The command on_breach has been run for it, whatever came of that."""
    connection.execute("UPDATE breaches SET told_at = ? WHERE id = ?", (now, breach_id))


def settle(
    connection: sqlite3.Connection, breach_ids: Collection[int], by: Settled, *, now: float
) -> list[Breach]:
    """Settles those of the breaches that are open, and gives them."""
    marks = ", ".join("?" * len(breach_ids))
    wanted = f"{SELECT} WHERE settled_at IS NULL AND breaches.id IN ({marks})"
    found = connection.execute(wanted, tuple(breach_ids)).fetchall()
    for row in found:
        connection.execute(
            "UPDATE breaches SET settled_at = ?, settled_by = ? WHERE id = ?",
            (now, by, row["id"]),
        )
    return [rows.breach_of(row) for row in found]
