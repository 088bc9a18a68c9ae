"""The operator's command: what it is told, and that nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from structlog.testing import capture_logs

from kasm_recd.alarm import Alarm
from kasm_recd.breach import Breach, BreachKind
from tests.fixtures_daemon import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.session import Session


async def a_breach(journal: Journal, session: Session) -> Breach:
    admitted = await journal.admit(session)
    breach = await journal.add_breach(
        admitted.id, BreachKind.DELETED, recording_id=None, detail="/r/it's; gone"
    )
    assert breach is not None
    return breach


async def told(alarm: Alarm, journal: Journal, breach: Breach) -> None:
    """Runs the alarm until the journal knows that the command was run."""
    running = asyncio.create_task(alarm.run())
    alarm.sound(breach)
    try:
        await asyncio.to_thread(
            wait_until, lambda: journal.breaches()[0].told_at, "it was run", deadline_s=30
        )
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_the_command_has_its_arguments_and_the_breach_in_its_environment_and_no_more(
    journal: Journal,
    a_session: Callable[..., Session],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KASM_RECD_RECORDING_OBJECT_STORAGE_SECRET", "hidden")
    code = "import os, sys; open(sys.argv[1], 'w').write(repr((sys.argv[2], dict(os.environ))))"
    out = tmp_path / "told"
    breach = await a_breach(journal, a_session("k 1; rm -rf"))
    alarm = Alarm([sys.executable, "-c", code, str(out), "$KASM_ID `x`"], journal=journal)
    await told(alarm, journal, breach)
    argument, environment = eval(out.read_text())  # noqa: S307 - what the line above wrote
    assert argument == "$KASM_ID `x`", "no shell has seen it"
    assert environment["KASM_ID"] == "k 1; rm -rf"
    assert environment["BREACH"] == "deleted"
    assert environment["BREACH_DETAIL"] == "/r/it's; gone"
    assert set(environment) <= {
        *("KASM_ID", "BREACH", "BREACH_DETAIL", "BREACH_AT", "PATH", "LANG", "LC_CTYPE", "PWD")
    }


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "exit code 3"),
        (["/nonexistent/program"], "could not be started"),
        (["/bin/sleep", "1000"], "ran past its deadline"),
    ],
)
async def test_a_command_that_fails_or_hangs_is_said_ended_and_not_run_again(
    journal: Journal,
    a_session: Callable[..., Session],
    argv: list[str],
    why: str,
) -> None:
    breach = await a_breach(journal, a_session("k-1"))
    with capture_logs() as lines:
        await told(Alarm(argv, journal=journal, deadline_s=0.5), journal, breach)
    (line,) = [each for each in lines if each["event"] == "breach.command_failed"]
    assert why in line["error"]
    assert not [each for each in psutil.Process().children() if "sleep" in each.name()]


async def test_without_a_command_nothing_is_run(
    journal: Journal, a_session: Callable[..., Session]
) -> None:
    breach = await a_breach(journal, a_session("k-1"))
    alarm = Alarm([], journal=journal)
    alarm.sound(breach)
    assert alarm._waiting.empty()
