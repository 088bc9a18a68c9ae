"""How the journal's file is opened, and what SQLite's errors mean to the rest of the daemon.

WAL with synchronous=FULL: a commit is on the disk when COMMIT returns. NORMAL lost every commit
since the last checkpoint at a power cut on ext4.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kasm_recd import disk
from kasm_recd.errors import DiskFull, JournalCorrupt, JournalLocked, RecdError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: How long SQLite waits for another program's lock on the file, in seconds.
BUSY_TIMEOUT_S = 5.0
#: What SQLite says of a file beside the journal (-wal, -shm) that finds no room, among much else.
VAGUE = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
PRIMARY_CODE = 0xFF  # SQLite's extended result codes carry the primary one in the low byte


def open_writing(path: Path) -> sqlite3.Connection:
    """A connection that writes; makes the file, readable by its owner alone, where there is none.

    Raises:
        sqlite3.Error: the file is no journal, or cannot be opened.
        OSError: the file cannot be made.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = _connect(path, mode="rw")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; raises sqlite3.Error where there is no journal."""
    return _connect(path, mode="ro")


def _connect(path: Path, *, mode: str) -> sqlite3.Connection:
    """Without Python's implicit transactions; SQLite serialises threads itself."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    return connection


def failure(path: Path, error: sqlite3.Error) -> RecdError:
    """What an error of the file itself, or of the disk under it, is to the daemon."""
    code = getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE
    if code == sqlite3.SQLITE_FULL or (code in VAGUE and _is_full(path.parent)):
        return DiskFull(f"no room to write the journal {path}")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return JournalLocked(
            f"another program keeps {path} locked: {error}",
            hint="Only kasm-recd may write its journal: end the other program.",
        )
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return JournalCorrupt(f"the journal {path} is damaged: {error}")
    return unusable(path, error)


def _is_full(folder: Path) -> bool:
    try:
        return disk.is_full(folder)
    except OSError:
        return False


def unusable(path: Path, error: Exception) -> JournalCorrupt:
    """For a file that the system will not let us use; nothing says that its content is bad."""
    return JournalCorrupt(
        f"the journal {path} cannot be used: {error}",
        hint="Check the disk, and that the daemon may write the folder (see the system's log).",
    )


@contextmanager
def journal_errors(path: Path) -> Iterator[None]:
    """Turns what SQLite or the system say about ``path`` into this daemon's errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise failure(path, error) from error
    except OSError as error:
        if disk.says_full(error):
            raise DiskFull(f"no room to open the journal {path}") from error
        raise unusable(path, error) from error
