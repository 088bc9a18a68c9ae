"""The event registry is held to the code that logs, both ways round."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from kasm_recd.events import EVENTS
from kasm_recd.events.event import ERROR, NOTHING, RECORDING, SEGMENT
from kasm_recd.events.fields import ALWAYS, FIELDS, OFTEN
from tests import documents

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = documents.ROOT / "kasm_recd"
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
#: Callables beside a logger's own that take an event's name first, and the level they log at.
NAMED = {"about": "warning", "report": None}
#: What those add by themselves.
ADDED = {"about": {"path"}}
EVENT = re.compile(r"[a-z_]+\.[a-z_]+")


class Logged(NamedTuple):
    """One place in the code that logs ``event``."""

    where: str
    event: str
    level: str | None  # None where it is only known when the program runs
    fields: set[str]
    open: bool  # more fields come from a mapping


def logged(path: Path) -> list[Logged]:
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return [found for call in calls if (found := _logged(call, path))]


def _logged(call: ast.Call, path: Path) -> Logged | None:
    match call.func:
        case ast.Attribute(attr=method) if method in LEVELS | set(NAMED):
            pass
        case ast.Name(id=method) if method in NAMED:
            pass
        case _:
            return None
    match call.args:
        case [ast.Constant(value=str(event)), *_] if EVENT.fullmatch(event):
            pass
        case _:
            return None
    level = NAMED.get(method, "error" if method == "exception" else method)
    fields = {"exception"} if method == "exception" else set()
    fields |= ADDED.get(method, set())
    is_open = False
    for keyword in call.keywords:
        match keyword:
            case ast.keyword(arg="exc_info"):
                fields |= {*ERROR, "exception"}
            case ast.keyword(arg=str(name)):
                fields.add(name)
            case ast.keyword(value=ast.Call(func=ast.Attribute(value=who, attr="log_context"))):
                fields |= set(RECORDING if "recording" in ast.unparse(who) else SEGMENT)
            case _:
                is_open = True
    return Logged(f"{path.relative_to(PACKAGE)}:{call.lineno}", event, level, fields, is_open)


LOGGED = [each for path in sorted(PACKAGE.rglob("*.py")) for each in logged(path)]


def test_every_event_that_the_code_logs_is_registered_and_no_other() -> None:
    found = {each.event for each in LOGGED}

    assert len(found) > 50
    assert found - EVENTS.keys() == set(), "add an entry in kasm_recd/events"
    assert EVENTS.keys() - found == set(), "nobody logs these any more"


def test_every_line_is_logged_at_its_registered_level() -> None:
    wrong = [
        f"{each.where}: {each.event} at {each.level}, not {' or '.join(EVENTS[each.event].levels)}"
        for each in LOGGED
        if each.level is not None and each.level not in EVENTS[each.event].levels
    ]
    assert wrong == []


def test_every_field_of_every_line_is_registered() -> None:
    unknown = [
        f"{each.where}: {each.event} has {', '.join(more)}"
        for each in LOGGED
        if (more := each.fields - {*EVENTS[each.event].fields, *ALWAYS, *OFTEN})
    ]
    assert unknown == []


#: Fields that are bound to the logger, or put in by the log, rather than named in the call.
BOUND = {"kasm_id", "peer", *ERROR, "exception"}


def test_a_registered_field_is_logged_somewhere() -> None:
    unused = []
    for name, event in EVENTS.items():
        places = [each for each in LOGGED if each.event == name]
        if not any(each.open for each in places):
            left = set(event.fields) - set().union(*(each.fields for each in places)) - BOUND
            unused += [f"{name}: {field}" for field in sorted(left)]
    assert unused == []


def test_every_field_is_explained_and_nothing_else_is() -> None:
    used = {field for event in EVENTS.values() for field in event.fields}

    assert used - FIELDS.keys() - OFTEN.keys() == set(), "add a line in kasm_recd/events/fields.py"
    assert FIELDS.keys() - used == set(), "nobody logs these any more"


def test_an_entry_says_what_it_is_and_what_to_do() -> None:
    for name, event in EVENTS.items():
        assert EVENT.fullmatch(name)
        assert event.meaning.endswith("."), name
        assert event.action.endswith("."), name
        if {"error", "critical"} & set(event.levels):
            assert event.action != NOTHING, f"{name}: an error asks for something"


def test_message_ids_are_for_ever() -> None:
    assert EVENTS["clip.stored"].message_id == "d45ecf8018fe53488cd46574daa04f09"
    assert len({event.message_id for event in EVENTS.values()}) == len(EVENTS)


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_what_is_written_from_the_registries_is_up_to_date(name: str) -> None:
    text = (documents.ROOT / name).read_text()

    assert documents.DOCUMENTS[name]() == text, "run: python -m tests.documents"


def test_journalctl_takes_the_catalog(tmp_path: Path) -> None:
    if shutil.which("journalctl") is None:
        pytest.skip("journalctl is not on this machine (package systemd)")
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    shutil.copy(documents.ROOT / "systemd/kasm-recd.catalog", folder)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    base = ["journalctl", f"--root={tmp_path}"]

    subprocess.run([*base, "--update-catalog"], check=True, timeout=30, capture_output=True)
    shown = subprocess.run(
        [*base, "--dump-catalog", EVENTS["segment.expired"].message_id],
        check=True,
        timeout=30,
        capture_output=True,
        text=True,
    ).stdout

    assert "Subject: segment.expired" in shown
    assert "What to do: Mend the upload" in shown
