from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import time
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kasm_recd import log
from kasm_recd.errors import StoreRefused
from kasm_recd.events import message_id
from kasm_recd.log import journald
from tests.fixtures_log import DEADLINE_S, SECRET, FakeJournal, logging_to, parse


def test_an_event_arrives_as_fields_of_its_own(fake_journal: FakeJournal) -> None:
    log.get_logger("kasm_recd.x").warning(
        "clip.key_taken", kasm_id="k-1", clip="s3://b/k-1.mp4", segment=7, recording=3, found=True
    )
    found = fake_journal.entry()
    assert found["EVENT"] == "clip.key_taken"
    assert (found["KASM_ID"], found["CLIP"]) == ("k-1", "s3://b/k-1.mp4")
    assert (found["SEGMENT"], found["RECORDING"], found["FOUND"]) == ("7", "3", "true")
    assert (found["PRIORITY"], found["SYSLOG_IDENTIFIER"]) == ("4", "kasm-recd")
    assert found["MESSAGE_ID"] == message_id("clip.key_taken")
    assert found["MESSAGE"].startswith("clip.key_taken kasm_id=k-1 clip=s3://b/k-1.mp4 segment=7")
    assert "MODULE" in found


def test_an_error_is_told_in_a_sentence_with_its_hint(fake_journal: FakeJournal) -> None:
    error = StoreRefused("bucket clips: access denied", hint="Grant PutObject.")
    log.get_logger("x").error("upload.failed", exc_info=error, key="a b")
    told = fake_journal.entry()["MESSAGE"]
    assert told == 'upload.failed: bucket clips: access denied key="a b" - Grant PutObject.'


def test_a_traceback_stands_in_the_message_behind_its_line(fake_journal: FakeJournal) -> None:
    try:
        raise ValueError("a mistake")  # noqa: TRY301 - a traceback is wanted
    except ValueError:
        log.get_logger("x").exception("admission.failed")
    found = fake_journal.entry()
    assert found["MESSAGE"].startswith("admission.failed \nTraceback (most recent call last)")
    assert found["EXCEPTION"].endswith("ValueError: a mistake")
    assert found["PRIORITY"] == "3"


@given(
    st.dictionaries(
        st.from_regex(r"x[a-z_]{0,80}", fullmatch=True),
        st.text() | st.integers() | st.lists(st.text(), max_size=2),
        max_size=5,
    )
)
def test_nothing_that_a_field_holds_makes_another_field(fields: dict[str, Any]) -> None:
    event = {**fields, "event": "some.event", "level": "info", "message_id": "0" * 32}
    event |= {"path": "x\nPRIORITY=0\nKASM_ID=forged", "timestamp": "now"}
    found = parse(journald.entry(event))
    assert (found["PRIORITY"], found["MESSAGE_ID"]) == ("6", "0" * 32)
    assert found["PATH"] == "x\nPRIORITY=0\nKASM_ID=forged"
    assert "forged" not in found.get("KASM_ID", "")
    assert found["MESSAGE"].isprintable()


def test_names_are_put_into_the_journals_alphabet() -> None:
    assert journald.journal_name("kasm_id") == "KASM_ID"
    assert journald.journal_name("message") == "RECD_MESSAGE"
    assert journald.journal_name("__cursor") == "CURSOR"
    assert journald.journal_name("é-9") == "__9".lstrip("_0123456789")
    assert len(journald.journal_name("x" * 200)) == 64


def test_a_large_entry_goes_as_a_sealed_file(fake_journal: FakeJournal) -> None:
    huge = "x" * 12_000_000  # beyond any datagram
    log.get_logger("x").info("some.event", text=huge)
    assert fake_journal.entry()["TEXT"] == huge
    assert fake_journal.files == 1


def test_a_secret_is_blotted_out_of_every_field(fake_journal: FakeJournal) -> None:
    log.conceal(SECRET)
    log.get_logger("x").info(
        "a.b",
        text=f"-{SECRET}-",
        rows=[{"deep": SECRET}],
        api_token="t-1",  # noqa: S106 - that is the test
    )
    logging.getLogger("library").warning("prose %s", SECRET)
    ours, librarys = fake_journal.entry(), fake_journal.entry()
    everything = json.dumps([ours, librarys]) + str(ours) + str(librarys)
    assert SECRET not in everything
    assert json.dumps(SECRET)[1:-1] not in everything
    assert ours["TEXT"] == f"-{log.REDACTED}-"
    assert ours["API_TOKEN"] == log.REDACTED
    assert librarys["EVENT"] == "library.library"
    assert librarys["RECD_MESSAGE"] == f"prose {log.REDACTED}"


def test_lines_go_to_stdout_while_the_journal_is_away(tmp_path: Path) -> None:
    with logging_to(tmp_path / "socket") as stdout:
        logger = log.get_logger("x")
        logger.info("first.event")
        assert b'"first.event"' in stdout.recv(65536)
        journal = FakeJournal(tmp_path / "socket")
        logger.info("second.event")
        assert journal.entry()["EVENT"] == "second.event"
        journal.close()


def test_a_journal_that_does_not_read_costs_lines_and_not_the_daemon(
    fake_journal: FakeJournal,
) -> None:
    logger = log.get_logger("x")
    for number in range(2000):  # far more than a socket takes (net.unix.max_dgram_qlen)
        logger.info("some.event", number=number, text="x" * 1000)
    read = 1
    while fake_journal.entry()["NUMBER"] != "0":
        read += 1
    assert read == 1  # what came first is there
    drained = 1
    fake_journal._socket.setblocking(False)
    try:
        while fake_journal.entry():
            drained += 1
    except BlockingIOError:
        fake_journal._socket.setblocking(True)
    logger.info("some.event")
    assert fake_journal.entry()["LINES_DROPPED"] == str(2000 - drained)
    logger.info("some.event")
    assert "LINES_DROPPED" not in fake_journal.entry()


async def test_what_a_line_is_about_reaches_tasks_and_threads(fake_journal: FakeJournal) -> None:
    logger = log.get_logger("x")

    async def task() -> None:
        logger.info("in.task")
        await asyncio.to_thread(logger.info, "in.thread")

    with log.about(kasm_id="k-9"):
        begun = asyncio.create_task(task())
    logger.info("out.side")
    await begun
    found = {entry["EVENT"]: entry.get("KASM_ID") for entry in map(_next(fake_journal), range(3))}
    assert found == {"out.side": None, "in.task": "k-9", "in.thread": "k-9"}


def _next(journal: FakeJournal) -> Any:
    return lambda _number: journal.entry()


def test_journalctl_finds_a_session_by_its_id(real_journal: str) -> None:
    with logging_to(Path(f"/run/systemd/journal.{real_journal}/socket")):
        logger = log.get_logger("kasm_recd.x")
        logger.info("clip.stored", kasm_id="k-1", clip="s3://b/k-1.mp4", text="two\nlines")
        logger.warning("upload.failed", kasm_id="k-2", blob="x" * 1_000_000)
    asked = ["journalctl", f"--namespace={real_journal}", "--all", "-o", "json"]
    first = _journalctl([*asked, "KASM_ID=k-1"])
    assert (first["CLIP"], first["TEXT"]) == ("s3://b/k-1.mp4", "two\nlines")
    assert first["MESSAGE"].startswith("clip.stored kasm_id=k-1")
    second = _journalctl([*asked, f"MESSAGE_ID={message_id('upload.failed')}", "-p", "warning"])
    assert (second["KASM_ID"], len(second["BLOB"])) == ("k-2", 1_000_000)


def _journalctl(command: list[str]) -> dict[str, str]:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        told = subprocess.run(
            command, capture_output=True, check=False, text=True, timeout=DEADLINE_S
        )
        lines = told.stdout.splitlines()
        if lines:
            (line,) = lines
            found: dict[str, str] = json.loads(line)
            return found
        assert time.monotonic() < deadline, told.stderr
        time.sleep(0.05)
