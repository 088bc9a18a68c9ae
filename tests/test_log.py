from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd import log
from kasm_recd.errors import IllegalMove, StoreRefused
from tests.fixtures_log import SECRET, logging_restored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    with logging_restored():
        written = io.StringIO()
        log.configure("debug", stream=written, environ={})
        yield written


def log_raised(error: Exception, **fields: object) -> None:
    try:
        raise error  # noqa: TRY301 - a traceback is wanted
    except Exception:  # noqa: BLE001 - whatever was put in
        log.get_logger("x").exception("task.failed", **fields)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_on_one_line(stream: io.StringIO) -> None:
    log.get_logger("kasm_recd.x").info("clip.stored", key="a/b.mp4", size=7, name="two\nlines")
    (line,) = lines(stream)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["event"], line["module"]) == ("info", "clip.stored", "kasm_recd.x")
    assert (line["key"], line["size"], line["name"]) == ("a/b.mp4", 7, "two\nlines")


@given(st.dictionaries(st.text(), st.text() | st.binary() | st.integers(), max_size=4))
def test_whatever_the_fields_hold_a_line_stays_one_line_of_ascii(fields: dict[str, Any]) -> None:
    with logging_restored():
        written = io.StringIO()
        log.configure("debug", stream=written, environ={})
        log.get_logger("x").info("clip.stored", fields=fields, odd="\udcff\u2028\x1b[2J")
        assert written.getvalue().count("\n") == 1
        assert written.getvalue().isascii()
        json.loads(written.getvalue())


def test_an_event_keeps_its_id_for_ever(stream: io.StringIO) -> None:
    log.get_logger("kasm_recd.x").info("clip.stored")
    (line,) = lines(stream)
    assert line["message_id"] == "d45ecf8018fe53488cd46574daa04f09"


def test_events_below_the_level_are_left_out() -> None:
    with logging_restored():
        written = io.StringIO()
        log.configure("warning", stream=written, environ={})
        logger = log.get_logger("kasm_recd.x")
        logger.info("quiet.event")
        logger.warning("loud.event")
        assert [line["event"] for line in lines(written)] == ["loud.event"]


def test_a_second_configuration_replaces_the_first(stream: io.StringIO) -> None:
    second = io.StringIO()
    logger = log.get_logger("kasm_recd.x")
    log.configure("info", stream=second, environ={})
    logger.info("clip.stored")
    logger.debug("clip.seen")
    assert stream.getvalue() == ""
    assert [line["event"] for line in lines(second)] == ["clip.stored"]


def test_a_librarys_warning_comes_out_the_same_way_and_its_debug_lines_do_not(
    stream: io.StringIO,
) -> None:
    library = logging.getLogger("botocore.endpoint")
    library.debug("Authorization: AWS4-HMAC-SHA256 …")
    library.warning("retrying %s", "now")
    (line,) = lines(stream)
    assert line["event"] == "library.botocore.endpoint"
    assert (line["level"], line["message"]) == ("warning", "retrying now")


def test_our_own_error_is_told_in_a_sentence_with_its_hint(stream: io.StringIO) -> None:
    error = StoreRefused("bucket clips: access denied", hint="Grant PutObject.")
    log.get_logger("x").error("store.refused", exc_info=error)
    (line,) = lines(stream)
    assert line["error"] == "bucket clips: access denied"
    assert (line["error_class"], line["hint"]) == ("StoreRefused", "Grant PutObject.")
    assert "exception" not in line
    assert "exc_info" not in line


@pytest.mark.parametrize("error", [ValueError("a mistake"), IllegalMove("a mistake")])
def test_a_mistake_in_the_program_keeps_its_traceback(
    stream: io.StringIO, error: Exception
) -> None:
    log_raised(error)
    (line,) = lines(stream)
    assert "Traceback (most recent call last)" in line["exception"]
    assert "raise error  #" in line["exception"]


def test_fields_named_like_secrets_are_masked(stream: io.StringIO) -> None:
    log.get_logger("x").info(
        "settings.loaded",
        recording_object_storage_key="AKIA",
        recording_object_storage_secret="s",  # noqa: S106 - that is the test
        headers={"Authorization": "AWS4", "Host": "s3"},
        rows=[{"password": "p"}],
        key="clips/a.mp4",
        token="attempt-7",  # noqa: S106 - an attempt's name
    )
    (line,) = lines(stream)
    assert line["recording_object_storage_key"] == log.REDACTED
    assert line["recording_object_storage_secret"] == log.REDACTED
    assert line["headers"] == {"Authorization": log.REDACTED, "Host": "s3"}
    assert line["rows"] == [{"password": log.REDACTED}]
    assert (line["key"], line["token"]) == ("clips/a.mp4", "attempt-7")


def test_a_concealed_value_is_blotted_out_wherever_it_stands(stream: io.StringIO) -> None:
    log.conceal(SECRET, "")
    logger = log.get_logger("x")
    logger.info("a.b", text=f"before {SECRET} after", nested=[{"deep": SECRET}])
    log_raised(ValueError(SECRET))
    logging.getLogger("library").warning("prose %s", SECRET)
    assert SECRET not in stream.getvalue()
    assert json.dumps(SECRET)[1:-1] not in stream.getvalue()
    first, second, third = lines(stream)
    assert first["text"] == f"before {log.REDACTED} after"
    assert log.REDACTED in second["exception"]
    assert third["message"] == f"prose {log.REDACTED}"


def test_a_stream_that_cannot_be_written_raises_nothing_into_the_caller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with logging_restored():
        reading, writing = os.pipe()
        os.close(reading)
        with open(writing, "w", encoding="utf-8") as broken:  # noqa: PTH123 - a descriptor
            log.configure("info", stream=broken, environ={})
            log.get_logger("x").info("clip.stored")
            with contextlib.suppress(BrokenPipeError):
                broken.close()
    assert capsys.readouterr().err == ""


def test_lines_for_a_journal_whose_socket_is_away_begin_with_their_priority(
    tmp_path: Path,
) -> None:
    ours, journals = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with logging_restored(), ours, journals, ours.makefile("w", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        log.configure("debug", stream=stream, environ=environ, journal=tmp_path / "none")
        logger = log.get_logger("x")
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(logger, level)("some.event")
        received = journals.recv(65536).decode().splitlines()
    assert [line[:3] for line in received] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert json.loads(received[-1][3:])["level"] == "critical"


def test_a_stream_that_is_not_the_journals_gets_no_prefix(stream: io.StringIO) -> None:
    assert not log.is_journal(stream, {"JOURNAL_STREAM": "1:2"})
    log.get_logger("x").info("some.event")
    assert stream.getvalue().startswith("{")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_columns_and_never_local_variables() -> None:
    with logging_restored():
        terminal = Terminal()
        log.configure("info", stream=terminal, environ={})
        log_raised(ValueError("local" + "-value"), size=7)
    shown = terminal.getvalue()
    assert "task.failed" in shown
    assert "size" in shown
    assert "Traceback" in shown
    assert "message_id" not in shown
    assert shown.count("local-value") == 1  # rich shows the local variable `error` once more


def test_a_process_logs_to_its_stdout_from_the_first_line() -> None:
    program = (
        "from kasm_recd import log; log.configure('info');"
        "log.get_logger('kasm_recd.x').info('daemon.ready', pid=1)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, check=True, text=True
    )
    assert json.loads(done.stdout)["event"] == "daemon.ready"
    assert done.stderr == ""
