"""The one thread that writes: takes every waiting request, and commits them as one group.

Each request runs inside a savepoint of its own, so that what is illegal rolls back itself alone. A
caller hears of its request after the group's COMMIT is on the disk. Where that fails, every request
of the group fails and none of them happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kasm_recd.errors import IllegalMove, JournalCorrupt
from kasm_recd.journal.connection import failure

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

#: SQLite's errors that speak of one request, not of the file or the disk.
MISTAKES: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError)


@dataclass(frozen=True, slots=True)
class _Request:
    work: Work[Any]
    future: Future[Any] = field(default_factory=Future)


class Writer:
    """Runs requests on ``connection``, which is its own from now on; ``commits`` counts groups."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._waiting: SimpleQueue[_Request | None] = SimpleQueue()
        self._closing = False
        self.commits = 0
        self._thread = threading.Thread(target=self._serve, name="journal-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Work[T]) -> T:
        """What ``work`` gives, once its commit is durable; raises what it raises.

        A caller that is cancelled while the request waits takes it back; once it began it happens.

        Raises:
            DiskFull: no room for the commit.
            JournalCorrupt: the commit failed, or the journal is closed.
        """
        if self._closing:
            raise JournalCorrupt(f"the journal {self._path} is closed", hint="Start the daemon.")
        request = _Request(work)
        self._waiting.put(request)
        result: T = await asyncio.wrap_future(request.future)
        return result

    async def close(self) -> None:
        """Commits what is waiting, ends the thread and closes the connection."""
        self._closing = True
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        with contextlib.closing(self._connection):
            going_on = True
            while going_on:
                group = self._take_group()
                going_on = None not in group
                self._commit(
                    [r for r in group if r is not None and r.future.set_running_or_notify_cancel()]
                )

    def _take_group(self) -> list[_Request | None]:
        """Waits for a request, then takes all that wait."""
        group = [self._waiting.get()]
        with contextlib.suppress(Empty):
            while True:
                group.append(self._waiting.get_nowait())
        return group

    def _commit(self, group: list[_Request]) -> None:
        if not group:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._run(request.work) for request in group]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the thread's top: no caller waits for ever
            self._undo()
            for request in group:
                request.future.set_exception(self._told(error))
            return
        self.commits += 1
        for request, (result, refused) in zip(group, outcomes, strict=True):
            if refused is None:
                request.future.set_result(result)
            else:
                request.future.set_exception(refused)

    def _run(self, work: Work[Any]) -> tuple[Any, Exception | None]:
        """Runs one request; what it raises is its own, unless the file or the disk failed."""
        result, refused = None, None
        self._connection.execute("SAVEPOINT request")
        try:
            result = work(self._connection)
        except Exception as error:
            if isinstance(error, sqlite3.Error) and not isinstance(error, MISTAKES):
                raise
            refused = _as_refusal(error)
            self._connection.execute("ROLLBACK TO request")
        self._connection.execute("RELEASE request")
        return result, refused

    def _undo(self) -> None:
        """Makes sure that a group whose COMMIT failed did not happen, now or after a crash.

        When only its fsync failed, the whole group lies in the log and the next boot would find it.
        The next commit writes over it, so there is one at once; when that fails too, the next
        group's is it.
        """
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("UPDATE meta SET failed_commits = failed_commits + 1")

    def _told(self, error: Exception) -> Exception:
        """An exception for each caller: one that is shared would gather all their tracebacks."""
        if isinstance(error, sqlite3.Error):
            return failure(self._path, error)
        return JournalCorrupt(f"the journal {self._path} failed: {error!r}")


def _as_refusal(error: Exception) -> Exception:
    """What the caller gets: a broken constraint means that its request was not legal."""
    if isinstance(error, sqlite3.IntegrityError):
        return IllegalMove(f"the journal does not allow it: {error}")
    return error
