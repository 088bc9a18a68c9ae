"""The journal's files, opened: locked and brought up to date for the daemon, or only to be read."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kasm_recd.errors import JournalCorrupt
from kasm_recd.journal import schema
from kasm_recd.journal.connection import journal_errors, open_reading, open_writing
from kasm_recd.journal.lock import Lock, lock_path

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Opened:
    """What the daemon holds of its journal."""

    lock: Lock
    writing: sqlite3.Connection
    reading: sqlite3.Connection


def rebuilding_path(path: Path) -> Path:
    """Where a new journal grows until it takes the old one's place."""
    return path.with_name(f"{path.name}.rebuilding")


def open_held(path: Path, *, make: bool) -> Opened:
    """Opens the journal at ``path`` for the one that writes it, made or migrated where need be.

    Raises:
        JournalLocked: another daemon holds it.
        JournalCorrupt: it is damaged, gone, cannot be used, or is from a newer release.
        DiskFull: no room to make or migrate it.
    """
    with journal_errors(path), ExitStack() as opened:
        lock = Lock.take(lock_path(path))
        opened.callback(lock.release)
        if rebuilding_path(path).exists():
            raise JournalCorrupt(
                f"a rebuild of {path} was cut short",
                hint="Run it again: kasm-recd journal rebuild",
            )
        if not make and not (path.exists() and path.stat().st_size):
            raise JournalCorrupt(f"the journal {path} is gone")
        writing = open_writing(path)
        opened.callback(writing.close)
        schema.check(writing, path)
        schema.migrate(writing)
        reading = open_reading(path)
        opened.pop_all()
    return Opened(lock, writing, reading)


def open_beside(path: Path) -> sqlite3.Connection:
    """A connection that reads the journal while another process holds it.

    Raises:
        JournalCorrupt: there is none, it is damaged, or of another version than this release's.
    """
    with journal_errors(path):
        connection = open_reading(path)
        try:
            schema.check(connection, path)
            version = schema.version_of(connection)
        except BaseException:
            connection.close()
            raise
    if version != schema.VERSION:
        connection.close()
        raise JournalCorrupt(
            f"{path} has version {version}, this release reads {schema.VERSION}",
            hint="Start this release's daemon once: it brings the journal up to date.",
        )
    return connection
