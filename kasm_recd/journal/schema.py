"""Versions of the journal, and the steps from one to the next.

``MIGRATIONS[n]`` leads from version n to n + 1, in one transaction; the version is SQLite's
``user_version``. What was released is never edited: a change is a new entry.

Paths and recording names are bytes on Linux, hence BLOB. Structured values that no query looks into
are JSON. The ids of recordings name folders in the spool and are never used twice.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from kasm_recd.errors import JournalCorrupt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: "krec" in ASCII: says whose file it is, to file(1) and to us.
APPLICATION_ID: Final = 0x6B726563

_SESSIONS = """
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kasm_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    username TEXT NOT NULL,
    image_id TEXT NOT NULL,
    image_friendly_name TEXT NOT NULL,
    created_timestamp TEXT NOT NULL,
    start_timestamp TEXT NOT NULL,
    recording_name BLOB NOT NULL UNIQUE,
    admitted_at REAL NOT NULL,
    announced INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL DEFAULT 0
) STRICT"""

_RECORDINGS = """
CREATE TABLE recordings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    path BLOB NOT NULL,
    identity TEXT NOT NULL,
    state TEXT NOT NULL,
    consumed INTEGER NOT NULL CHECK (consumed >= 0),
    lock_seen INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    first_seen_at REAL NOT NULL,
    ended_at REAL,
    end_known INTEGER NOT NULL,
    changed_at REAL NOT NULL
) STRICT"""

_SEGMENTS = """
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    recording_id INTEGER NOT NULL REFERENCES recordings (id),
    sequence INTEGER NOT NULL,
    start INTEGER NOT NULL,
    length INTEGER NOT NULL CHECK (length > 0),
    sha256 TEXT NOT NULL,
    contents TEXT NOT NULL,
    began_at REAL NOT NULL,
    ended_at REAL NOT NULL,
    end_timestamp INTEGER NOT NULL,
    end_known INTEGER NOT NULL,
    sealed_at REAL NOT NULL,
    sealed_uptime REAL NOT NULL,
    state TEXT NOT NULL,
    form TEXT,
    cause TEXT NOT NULL,
    encoder TEXT NOT NULL,
    encode_attempts INTEGER NOT NULL,
    upload_attempts INTEGER NOT NULL,
    next_attempt_at REAL NOT NULL,
    destination TEXT NOT NULL,
    key TEXT NOT NULL,
    artifacts TEXT NOT NULL,
    proofs TEXT NOT NULL,
    changed_at REAL NOT NULL,
    UNIQUE (recording_id, start),
    UNIQUE (session_id, sequence)
) STRICT"""

_ATTEMPTS = """
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    segment_id INTEGER NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    token TEXT NOT NULL,
    began_at REAL NOT NULL,
    pid INTEGER,
    started REAL,
    ended_at REAL,
    outcome TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT ''
) STRICT"""

# A breach may outlive its recording's row; a session with an open one is not forgotten.
_BREACHES = """
CREATE TABLE breaches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    recording_id INTEGER,
    size INTEGER,
    detail TEXT NOT NULL,
    told_at REAL,
    settled_at REAL,
    settled_by TEXT NOT NULL DEFAULT ''
) STRICT"""

_WATCHES = """
CREATE TABLE watches (
    session_id INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    allowed_at REAL NOT NULL,
    boot_id TEXT NOT NULL,
    after_recording INTEGER NOT NULL
) STRICT"""

MIGRATIONS: Final[Sequence[Sequence[str]]] = (
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        _SESSIONS,
        _RECORDINGS,
        "CREATE INDEX recordings_by_state ON recordings (state)",
        "CREATE INDEX recordings_by_session ON recordings (session_id)",
        _SEGMENTS,
        "CREATE INDEX segments_by_state ON segments (state)",
        "CREATE UNIQUE INDEX segments_by_key ON segments (destination, key) WHERE key <> ''",
        _ATTEMPTS,
        "CREATE INDEX attempts_by_segment ON attempts (segment_id)",
        "CREATE INDEX attempts_under_way ON attempts (id) WHERE ended_at IS NULL",
        """CREATE TABLE clock (
            id INTEGER PRIMARY KEY,
            boot_id TEXT NOT NULL,
            offset_s REAL NOT NULL,
            at REAL NOT NULL
        ) STRICT""",
        "CREATE INDEX clock_by_boot ON clock (boot_id, at)",
        """CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            uptime REAL NOT NULL,
            failed_commits INTEGER NOT NULL
        ) STRICT""",
        "INSERT INTO meta (id, uptime, failed_commits) VALUES (1, 0, 0)",
    ),
    (
        _WATCHES,
        _BREACHES,
        "CREATE INDEX breaches_by_session ON breaches (session_id)",
        "CREATE INDEX breaches_open ON breaches (id) WHERE settled_at IS NULL",
        "ALTER TABLE segments ADD COLUMN owed INTEGER NOT NULL DEFAULT 0",
    ),
    ("ALTER TABLE recordings ADD COLUMN overwritten INTEGER NOT NULL DEFAULT 0",),
)
VERSION: Final = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """The file's version; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check(connection: sqlite3.Connection, path: Path, *, newest: int = VERSION) -> None:
    """Holds the file against what it should be: ours, sound, and not from a newer release.

    Raises:
        JournalCorrupt: it is not.
        sqlite3.Error: it cannot even be read.
    """
    found = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if found != APPLICATION_ID and (found or tables):
        raise JournalCorrupt(
            f"{path} is another program's database",
            hint="Give the daemon a spool_dir of its own.",
        )
    version = version_of(connection)
    if version > newest:
        raise JournalCorrupt(
            f"{path} has version {version}, this release knows up to {newest}",
            hint="A newer release wrote it: install that release again.",
        )
    problems = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    if problems != ["ok"]:
        raise JournalCorrupt(f"the journal {path} is damaged: {'; '.join(problems)}")


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Brings the file to the newest version; a step that fails leaves the version before it."""
    for version in range(version_of(connection), len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
