"""The commands about breaches: ``breaches`` lists them, ``settle`` takes sessions again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from kasm_recd import journal
from kasm_recd.client import ask
from kasm_recd.daemon import load_settings
from kasm_recd.errors import ControlRefused
from kasm_recd.recorder import JOURNAL_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.options import Commands, Options

OK, NO = 0, 1


def add(commands_of: Commands, options: Options) -> None:
    """Both commands."""
    listing = commands_of.add_parser(
        "breaches",
        help="sessions that were to be recorded, and were not",
        epilog="Exit codes: 0 none is open, 1 recorded sessions are refused.",
        parents=[options.settings, options.script],
    )
    listing.set_defaults(command=lambda a: breaches(a.config, as_json=a.json))
    settling = commands_of.add_parser(
        "settle",
        help="a session's breaches are dealt with: take sessions again",
        parents=[options.socket],
    )
    settling.add_argument("kasm_id", metavar="KASM_ID")
    settling.set_defaults(command=lambda a: settle(a.socket, a.kasm_id))


def breaches(config: Path | None, *, as_json: bool) -> int:
    """Lists what the journal remembers, beside the daemon; NO while one is open."""
    path = load_settings(config).spool_dir / JOURNAL_NAME
    with journal.read_only(path) as reads:
        found = reads.breaches()
    if as_json:
        told = [{"kasm_id": each.kasm_id, **each.told()} for each in found]
        print(json.dumps({"breaches": told}, indent=1))
    else:
        table = Table("session", "breach", "at (UTC)", "settled", "detail")
        for each in found:
            at = datetime.fromtimestamp(each.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
            table.add_row(each.kasm_id, each.kind, at, each.settled_by or "no", each.detail)
        Console().print(table)
    return NO if any(each.open for each in found) else OK


def settle(socket: Path, kasm_id: str) -> int:
    """Settles the open breaches of one session; NO where it has none."""
    code, answer = ask(socket, "POST", f"/v1/sessions/{quote(kasm_id, safe='')}/settle", {})
    if code != 200:  # noqa: PLR2004 - HTTP
        raise ControlRefused(f"settle was refused: {answer.get('message', answer)}")
    settled = answer["settled"]
    print(f"settled: {', '.join(settled)}" if settled else f"{kasm_id} has no open breach")
    return OK if settled else NO
