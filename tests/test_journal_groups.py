from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.errors import DiskFull, IllegalMove, JournalCorrupt, JournalLocked
from kasm_recd.journal import Journal
from kasm_recd.journal.connection import open_writing
from kasm_recd.journal.writer import Writer
from kasm_recd.states import RecordingEvent, RecordingState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path

    from kasm_recd.recording import Recording
    from tests.fixtures_journal import MakeSession


class Gate:
    """Holds the writer's thread inside a request, so that others have to wait behind it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._entered = asyncio.Event()
        self._open = threading.Event()

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()

        def hold(_connection: sqlite3.Connection) -> None:
            loop.call_soon_threadsafe(self._entered.set)
            self._open.wait(10)

        self._held = asyncio.create_task(self._writer.run(hold))
        await asyncio.wait_for(self._entered.wait(), 10)

    async def __aexit__(self, *_: object) -> None:
        self._open.set()
        await self._held


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    connection = open_writing(tmp_path / "journal.db")
    connection.execute("CREATE TABLE meta (failed_commits INTEGER NOT NULL)")
    connection.execute("INSERT INTO meta VALUES (0)")
    connection.execute("CREATE TABLE notes (n INTEGER PRIMARY KEY) STRICT")
    started = Writer(tmp_path / "journal.db", connection)
    yield started
    await started.close()


def note(n: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO notes VALUES (?)", (n,))
        return n

    return work


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM notes").fetchone()[0])


async def start(*coroutines: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Tasks that have each come to their first wait."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    await asyncio.sleep(0)
    return tasks


async def test_two_hundred_verbs_at_once_need_few_commits(
    journal: Journal, a_session: MakeSession
) -> None:
    before = journal.commits

    admitted = await asyncio.gather(*(journal.admit(a_session(f"k-{n}")) for n in range(200)))

    assert len({session.id for session in admitted}) == 200
    assert all(journal.session_by_id(session.id) == session for session in admitted)
    assert journal.commits - before <= 50


async def test_an_illegal_request_rolls_back_itself_alone(
    journal: Journal, add_recording: Callable[..., Awaitable[Recording]]
) -> None:
    one, two, three = [await add_recording(journal, f"k-{n}") for n in range(3)]
    before = journal.commits

    async with Gate(journal._writer):
        moves = await start(
            journal.move_recording(one.id, RecordingEvent.FINISH),
            journal.move_recording(two.id, RecordingEvent.DRAIN),
            journal.move_recording(three.id, RecordingEvent.LOSE),
        )
    results = await asyncio.gather(*moves, return_exceptions=True)

    assert isinstance(results[1], IllegalMove)
    assert journal.recordings(RecordingState.GROWING) == [two]
    assert journal.recordings(RecordingState.FINISHED, RecordingState.LOST) == [
        results[0],
        results[2],
    ]
    assert journal.commits - before == 2  # the gate's, and one for all three


async def test_what_a_request_did_before_it_failed_is_undone(writer: Writer) -> None:
    def half(connection: sqlite3.Connection) -> None:
        note(1)(connection)
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        await writer.run(half)

    assert await writer.run(count) == 0


async def test_a_request_that_breaks_a_constraint_is_an_illegal_move(writer: Writer) -> None:
    await writer.run(note(1))

    with pytest.raises(IllegalMove, match="UNIQUE"):
        await writer.run(note(1))
    with pytest.raises(IllegalMove, match="mismatch"):
        await writer.run(lambda db: db.execute("INSERT INTO notes VALUES ('x')"))
    with pytest.raises(sqlite3.ProgrammingError):
        await writer.run(lambda db: db.execute("INSERT INTO notes VALUES (?)", (object(),)))

    assert await writer.run(count) == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (sqlite3.SQLITE_FULL, DiskFull),
        (sqlite3.SQLITE_IOERR_FSYNC, JournalCorrupt),
        (sqlite3.SQLITE_CORRUPT, JournalCorrupt),
        (sqlite3.SQLITE_BUSY, JournalLocked),
    ],
)
async def test_when_the_file_fails_the_whole_group_fails_and_none_happened(
    writer: Writer, code: int, error: type[Exception]
) -> None:
    def broken(_connection: sqlite3.Connection) -> None:
        failure = sqlite3.OperationalError("injected")
        failure.sqlite_errorcode = code
        raise failure

    async with Gate(writer):
        group = await start(writer.run(note(1)), writer.run(broken), writer.run(note(2)))
    results = await asyncio.gather(*group, return_exceptions=True)

    assert [type(result) for result in results] == [error] * 3
    assert len({id(result) for result in results}) == 3
    assert await writer.run(count) == 0
    assert await writer.run(note(3)) == 3


async def test_a_caller_that_gives_up_while_it_waits_takes_its_request_back(
    writer: Writer,
) -> None:
    async with Gate(writer):
        kept, given_up = await start(writer.run(note(1)), writer.run(note(2)))
        given_up.cancel()
        await asyncio.wait([given_up])
    assert await kept == 1

    assert await writer.run(count) == 1


async def test_a_caller_that_gives_up_too_late_harms_nobody(writer: Writer) -> None:
    entered, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: sqlite3.Connection) -> None:
        note(1)(connection)
        loop.call_soon_threadsafe(entered.set)
        go_on.wait(10)

    (given_up,) = await start(writer.run(slow))
    await asyncio.wait_for(entered.wait(), 10)
    given_up.cancel()
    await asyncio.wait([given_up])
    go_on.set()

    assert await writer.run(count) == 1


async def test_closing_commits_what_waits_and_refuses_what_comes_later(
    journal_path: Path, a_session: MakeSession
) -> None:
    journal = Journal.open(journal_path)
    async with Gate(journal._writer):
        (waiting,) = await start(journal.admit(a_session("k-1")))
        (closing,) = await start(journal.close())
        with pytest.raises(JournalCorrupt, match="closed"):
            await journal.admit(a_session("k-2"))
    await closing

    assert (await waiting) is not None
    again = Journal.open(journal_path)
    assert again.session("k-1") is not None
    assert again.session("k-2") is None
    await again.close()
