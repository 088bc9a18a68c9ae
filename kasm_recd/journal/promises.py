"""What was promised to brokers and what came of it, as admission counts it; read verbs' queries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

#: The watches, with their sessions' names.
PROMISES: Final = (
    "SELECT session_id, allowed_at, after_recording, kasm_id, recording_name"
    " FROM watches JOIN sessions ON sessions.id = session_id"
)
#: Those of which a recording appeared are over, though the watch may not have heard of it.
PENDING: Final = (
    " NOT EXISTS (SELECT 1 FROM recordings"
    " WHERE recordings.session_id = watches.session_id AND recordings.id > after_recording)"
)
LIVE: Final = """
SELECT recordings.id, recordings.path, recordings.consumed, sessions.kasm_id
    FROM recordings JOIN sessions ON sessions.id = recordings.session_id
    WHERE recordings.state IN (?, ?)"""


@dataclass(frozen=True, slots=True)
class Promise:
    """A recording that was promised at ``allowed_at`` (Unix seconds) and has not appeared."""

    session_id: int
    kasm_id: str
    recording_name: str
    allowed_at: float


@dataclass(frozen=True, slots=True)
class Live:
    """A recording that is not all in segments yet, and whose it is."""

    id: int
    path: str
    consumed: int
    kasm_id: str


def promise_of(row: sqlite3.Row) -> Promise:
    """A row of :data:`PROMISES`."""
    name = os.fsdecode(row["recording_name"])
    return Promise(row["session_id"], row["kasm_id"], name, row["allowed_at"])


def live_of(row: sqlite3.Row) -> Live:
    """A row of :data:`LIVE`."""
    return Live(row["id"], os.fsdecode(row["path"]), row["consumed"], row["kasm_id"])
