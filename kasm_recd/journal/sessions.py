"""Write verbs on sessions: plain functions of a connection inside a transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from kasm_recd.errors import NameInUse
from kasm_recd.journal import rows

if TYPE_CHECKING:
    from kasm_recd.session import Session


def admit(connection: sqlite3.Connection, session: Session) -> Session:
    """Adds a session; a known ``kasm_id`` changes nothing and gives what is stored.

    Raises:
        NameInUse: another session owns the recording name.
    """
    known = connection.execute(
        "SELECT * FROM sessions WHERE kasm_id = ?", (session.kasm_id,)
    ).fetchone()
    if known is not None:
        return rows.session_of(known)
    try:
        row_id = rows.insert(connection, "sessions", rows.columns_of_value(session))
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            raise
        raise NameInUse(f"recording name {session.recording_name!r} is another session's") from None
    return replace(session, id=row_id)


def take_sequence(connection: sqlite3.Connection, session_id: int) -> int:
    """The session's next number for a segment, from 0; none is given twice, pruned or not."""
    row = connection.execute(
        "UPDATE sessions SET next_sequence = next_sequence + 1 WHERE id = ?"
        " RETURNING next_sequence - 1",
        (session_id,),
    ).fetchone()
    return int(row[0])
