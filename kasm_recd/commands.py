"""What each command does, daemon and demo aside; each gives the process's exit code."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from kasm_recd import journal
from kasm_recd.client import ask
from kasm_recd.daemon import load_settings
from kasm_recd.errors import ControlRefused, RecdError
from kasm_recd.recorder import JOURNAL_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.settings import Settings

OK, NO = 0, 1
POLL_S: Final = 0.5


def check_config(config: Path | None, *, as_json: bool) -> int:
    """Prints the settings in force, secrets masked; raises SettingsInvalid when they are not."""
    loaded = load_settings(config)
    values = loaded.model_dump(mode="json")
    if as_json:
        print(json.dumps({"valid": True, "settings": values}, indent=1))
    else:
        table = Table("setting", "value")
        for name, value in values.items():
            table.add_row(name, str(value))
        Console().print(table)
    for warning in loaded.warnings:
        print(f"warning: {warning}")
    return OK


def status(config: Path | None, socket: Path, *, as_json: bool) -> int:
    """What the daemon is doing; where it does not run, what its journal says."""
    try:
        _, found = ask(socket, "GET", "/v1/status")
        found["running"] = True
    except ControlRefused as refused:
        found = _status_from_journal(load_settings(config))
        found |= {"running": False, "daemon": str(refused)}
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        Console().print(_status_table(found))
    return OK if found["running"] and found.get("healthy", True) else NO


def _status_from_journal(loaded: Settings) -> dict[str, Any]:
    path = loaded.spool_dir / JOURNAL_NAME
    if not path.exists():
        raise RecdError(
            f"no daemon answers and there is no journal at {path}",
            hint="Start it: systemctl start kasm-recd",
        )
    with journal.read_only(path) as reads:
        return {
            "segments": reads.counts(),
            "oldest_unstored_at": reads.oldest_unstored(),
            "bytes_at_risk": reads.bytes_at_risk(),
        }


def _status_table(found: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in found.items():
        if isinstance(value, dict):
            shown = "\n".join(f"{key}  {_in_words(inner)}" for key, inner in value.items())
        elif name.endswith("_at") and isinstance(value, int | float):
            shown = datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
        else:
            shown = "-" if value is None else str(value)
        table.add_row(name, shown)
    return table


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{inner} {key}" for key, inner in value.items() if inner != "")
    return str(value)


def drain(socket: Path, *, timeout_s: float) -> int:
    """Admission refuses from now on; returns when every session's bytes are stored."""
    code, answer = ask(socket, "POST", "/v1/drain", {})
    if code != 200:  # noqa: PLR2004 - HTTP
        raise ControlRefused(f"drain was refused: {answer.get('message', answer)}")
    deadline = time.monotonic() + timeout_s if timeout_s > 0 else float("inf")
    while True:
        _, found = ask(socket, "GET", "/v1/status")
        left = (found["recordings_open"], found["bytes_at_risk"])
        if left == (0, 0) and not found["pressure"]["clips_owed"]:
            print("drained: every recording is stored")
            return OK
        if time.monotonic() > deadline:
            print(f"not drained in {timeout_s:g} s: {left[0]} recordings, {left[1]} bytes at risk")
            return NO
        time.sleep(POLL_S)


def rebuild(config: Path | None, *, as_json: bool) -> int:
    """Makes the journal again from the sidecars in the spool; NO where a folder made no sense."""
    loaded = load_settings(config)
    rebuilt = journal.rebuild(loaded.spool_dir / JOURNAL_NAME, loaded.spool_dir)
    found = asdict(rebuilt)
    if as_json:
        print(json.dumps(found, indent=1, default=str))
    else:
        Console().print(_status_table(found))
    return NO if rebuilt.problems else OK
