"""The journal's file: who may open it, what it must look like, how it grows older."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk
from kasm_recd.errors import DiskFull, JournalCorrupt, JournalLocked
from kasm_recd.journal import Journal, connection, read_only, schema
from kasm_recd.states import SegmentState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.fixtures_journal import MakeSession, SealOne

HOLD = """
import sys
from pathlib import Path
from kasm_recd.journal import Journal
journal = Journal.open(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


async def test_a_second_daemon_is_refused_and_told_who_holds_the_journal(
    journal_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(journal_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(JournalLocked, match=f"process {holder.pid}$"):
            Journal.open(journal_path)
        holder.kill()

    await Journal.open(journal_path).close()  # the kernel freed the lock of the dead


async def test_one_process_holds_a_journal_once_and_lets_go_of_it(journal_path: Path) -> None:
    first = Journal.open(journal_path)
    with pytest.raises(JournalLocked, match=str(os.getpid())):
        Journal.open(journal_path)
    await first.close()

    await Journal.open(journal_path).close()


async def test_a_full_disk_under_the_lock_is_no_damage_and_leaves_nothing_held(
    journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        with pytest.raises(DiskFull):
            Journal.open(journal_path)
    await Journal.open(journal_path).close()


@pytest.mark.parametrize(("full", "error"), [(True, DiskFull), (False, JournalCorrupt)])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_CANTOPEN])
def test_what_sqlite_says_vaguely_on_a_full_disk_is_no_damage(
    journal_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    *,
    full: bool,
    error: type[Exception],
) -> None:
    monkeypatch.setattr(disk, "is_full", lambda _folder: full)
    vague = sqlite3.OperationalError("disk I/O error")
    vague.sqlite_errorcode = code
    assert type(connection.failure(journal_path, vague)) is error


async def test_the_lock_names_its_holder_alone(journal_path: Path) -> None:
    lock = journal_path.with_name("journal.db.lock")
    lock.write_text("99999999999999\n")

    journal = Journal.open(journal_path)

    assert lock.read_text() == f"{os.getpid()}\n"
    await journal.close()


async def test_closing_leaves_one_whole_file(journal_path: Path, a_session: MakeSession) -> None:
    journal = Journal.open(journal_path)
    await journal.admit(a_session("k-1"))
    await journal.close()

    assert {path.name for path in journal_path.parent.iterdir()} == {
        "journal.db",
        "journal.db.lock",
    }


async def test_only_the_owner_reads_the_journal(journal: Journal, journal_path: Path) -> None:
    await journal.add_uptime(1)
    files = sorted(journal_path.parent.iterdir())

    assert {f"{journal_path.name}{suffix}" for suffix in ("", "-wal", "-shm", ".lock")} == {
        file.name for file in files
    }
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


async def test_a_commit_is_on_the_disk_when_its_verb_returns(journal: Journal) -> None:
    def pragmas(connection: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await journal._writer.run(pragmas) == ["wal", 2, 1, 5000]


async def test_the_reading_side_cannot_write(journal: Journal, journal_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        journal._reading.execute("UPDATE meta SET uptime = 1")
    with (
        read_only(journal_path) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader._reading.execute("UPDATE meta SET uptime = 1")


async def test_a_reader_beside_the_daemon_sees_every_commit(
    journal: Journal, journal_path: Path, seal_one: SealOne
) -> None:
    with read_only(journal_path) as reader:
        assert reader.segments() == []
        segment = await seal_one(journal)
        assert reader.segments() == [segment]
        assert reader.counts()["sealed"] == 1


async def test_a_reader_finds_a_journal_that_nobody_holds(
    journal_path: Path, seal_one: SealOne
) -> None:
    journal = Journal.open(journal_path)
    segment = await seal_one(journal)
    await journal.close()

    with read_only(journal_path) as reader:
        assert reader.segments(SegmentState.SEALED) == [segment]


@pytest.mark.parametrize("left", [None, b""])
def test_a_journal_that_should_be_there_is_not_made_anew(
    journal_path: Path, left: bytes | None
) -> None:
    if left is not None:
        journal_path.write_bytes(left)

    for _ in range(2):  # and a second start does not take the first one's for it
        with pytest.raises(JournalCorrupt, match="gone") as caught:
            Journal.open(journal_path, make=False)
    assert "journal rebuild" in caught.value.hint


def test_a_reader_says_that_there_is_no_journal(journal_path: Path) -> None:
    with pytest.raises(JournalCorrupt, match="cannot be used"):
        read_only(journal_path)

    assert not journal_path.exists()


def test_a_journal_in_a_folder_that_is_not_there_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(JournalCorrupt, match="cannot be used") as caught:
        Journal.open(tmp_path / "nowhere" / "journal.db")

    assert "folder" in caught.value.hint


def test_a_file_of_garbage_is_corrupt(journal_path: Path) -> None:
    journal_path.write_bytes(b"no database at all, " * 1000)

    with pytest.raises(JournalCorrupt) as caught:
        Journal.open(journal_path)

    assert "journal rebuild" in caught.value.hint
    with pytest.raises(JournalCorrupt):
        read_only(journal_path)


async def test_flipped_pages_are_found_at_opening(
    journal_path: Path, a_session: MakeSession
) -> None:
    journal = Journal.open(journal_path)
    for n in range(100):
        await journal.admit(a_session(f"k-{n}"))
    await journal.close()
    content = bytearray(journal_path.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 64] = bytes(byte ^ 0xFF for byte in content[page : page + 64])
    journal_path.write_bytes(content)

    with pytest.raises(JournalCorrupt, match="damaged"):
        Journal.open(journal_path)
    with pytest.raises(JournalCorrupt, match="damaged"):
        Journal.open(journal_path)  # and not "locked": the first refusal let go of everything


async def test_pages_that_rot_under_the_daemon_are_an_error_of_the_journal(
    journal_path: Path, a_session: MakeSession
) -> None:
    journal = Journal.open(journal_path)
    for n in range(100):
        await journal.admit(a_session(f"k-{n}"))
    await journal._writer.run(lambda _: None)
    with closing(sqlite3.connect(journal_path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with journal_path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (journal_path.stat().st_size - 4096))
    journal._reading.execute("PRAGMA shrink_memory")

    with pytest.raises(JournalCorrupt):
        journal.session("k-50")
    await journal.close()


async def test_a_row_that_makes_no_sense_is_corrupt(journal_path: Path, seal_one: SealOne) -> None:
    journal = Journal.open(journal_path)
    segment = await seal_one(journal)
    await journal._writer.run(lambda db: db.execute("UPDATE segments SET state = 'sealec'"))

    with pytest.raises(JournalCorrupt, match="sealec"):
        journal.segment(segment.id)
    with pytest.raises(JournalCorrupt, match="sealec"):
        await journal.update_segment(segment.id, cause="x")
    await journal.close()


async def test_a_journal_of_a_newer_release_is_refused_with_the_way_out(
    journal_path: Path,
) -> None:
    await Journal.open(journal_path).close()
    with closing(sqlite3.connect(journal_path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")

    for opening in (Journal.open, read_only):
        with pytest.raises(JournalCorrupt, match=f"version {schema.VERSION + 1}") as caught:
            opening(journal_path)
        assert "newer release" in caught.value.hint


def test_a_reader_does_not_read_an_older_version(journal_path: Path) -> None:
    with closing(sqlite3.connect(journal_path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")

    with pytest.raises(JournalCorrupt, match="version 0"):
        read_only(journal_path)


@pytest.mark.parametrize("application_id", [0, 0x12345678])
def test_the_database_of_another_program_is_left_alone(
    journal_path: Path, application_id: int
) -> None:
    with closing(sqlite3.connect(journal_path)) as connection:
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute("CREATE TABLE theirs (x)")

    with pytest.raises(JournalCorrupt, match="another program's"):
        Journal.open(journal_path)

    with closing(sqlite3.connect(journal_path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema").fetchall()
    assert tables == [("theirs",)]


def test_a_new_journal_says_whose_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as connection:
        schema.migrate(connection)

        assert connection.execute("PRAGMA application_id").fetchone() == (0x6B726563,)
        assert schema.version_of(connection) == schema.VERSION == len(schema.MIGRATIONS)


LATER: Sequence[Sequence[str]] = (
    *schema.MIGRATIONS,
    ("ALTER TABLE sessions ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",),
    ("CREATE TABLE extra (id INTEGER PRIMARY KEY) STRICT", "INSERT INTO extra VALUES (7)"),
)


def schema_of(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


@pytest.mark.parametrize("version", range(len(LATER)))
def test_every_older_version_becomes_the_newest(tmp_path: Path, version: int) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as old,
        closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as new,
    ):
        schema.migrate(old, LATER[:version])
        assert schema.version_of(old) == version
        if version:
            old.execute(
                "INSERT INTO sessions (kasm_id, user_id, username, image_id, image_friendly_name,"
                " created_timestamp, start_timestamp, recording_name, admitted_at, announced)"
                " VALUES ('k', '', '', '', '', '', '', x'61', 1.5, 1)"
            )

        schema.migrate(old, LATER)
        schema.migrate(new, LATER)

        assert schema.version_of(old) == len(LATER)
        assert schema_of(old) == schema_of(new)
        if version:
            assert old.execute("SELECT kasm_id FROM sessions").fetchall() == [("k",)]


def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    broken = (*LATER[:2], ("CREATE TABLE half (x)", "CREATE TABEL half (x)"))
    with closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            schema.migrate(connection, broken)

        assert schema.version_of(connection) == 2
        assert "half" not in dict(schema_of(connection))
        schema.migrate(connection, LATER)
        assert schema.version_of(connection) == len(LATER)
