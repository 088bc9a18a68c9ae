"""Writes what is generated: EVENTS.md, METRICS.md, the journal's catalog.

``python -m tests.documents`` brings every file up to date; a test compares them.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kasm_recd.events import EVENTS
from kasm_recd.events.fields import ALWAYS, FIELDS, OFTEN
from kasm_recd.metrics.registry import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.events import Event

ROOT: Final = Path(__file__).parent.parent
GENERATED: Final = "written by `python -m tests.documents`"


def events_md() -> str:
    """The event list for people."""
    lines = [
        "# Events",
        "",
        f"Every line that the daemon logs, {GENERATED} from `kasm_recd/events/`. Names and",
        "MESSAGE_IDs never change. `journalctl -x` explains each from the catalog,",
        "`journalctl MESSAGE_ID=…` finds all lines of one kind.",
    ]
    part = ""
    for event in EVENTS.values():
        if event.name.partition(".")[0] != part:
            part = event.name.partition(".")[0]
            lines += ["", f"## {part}"]
        lines += ["", *_entry(event)]
    lines += ["", "## Fields", "", "| field | holds |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in {**ALWAYS, **OFTEN, **FIELDS}.items()]
    return "\n".join(lines) + "\n"


def _entry(event: Event) -> list[str]:
    fields = ", ".join(f"`{name}`" for name in event.fields) or "none"
    return [
        f"### `{event.name}`",
        "",
        f"{' or '.join(event.levels)} · `MESSAGE_ID={event.message_id}`",
        "",
        event.meaning,
        "",
        f"- **What to do:** {event.action}",
        f"- **Fields:** {fields}",
    ]


def catalog() -> str:
    """The journal's message catalog; the format is systemd's, CATALOG_FORMAT in its docs."""
    head = f"# Message catalog of kasm-recd, {GENERATED.replace('`', '')} from kasm_recd/events.\n"
    return head + "".join(_message(event) for event in EVENTS.values())


def _message(event: Event) -> str:
    told = "\n\n".join(
        textwrap.fill(text, 78, break_long_words=False, break_on_hyphens=False)
        for text in (event.meaning, f"What to do: {event.action}")
    )
    return (
        f"\n-- {event.message_id}\n"
        f"Subject: {event.name}\n"
        "Defined-By: kasm-recd\n"
        f"Documentation: man:kasm-recd(1)\n\n{told}\n"
    )


def metrics_md() -> str:
    """The metric list for people."""
    head = [
        "# Metrics",
        "",
        f"What `GET /metrics` says, {GENERATED} from `kasm_recd/metrics/registry.py`.",
        "Counters go on from when the daemon started. `process_*` is the daemon's own CPU, memory",
        "and descriptors.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(each.labels)} | {each.meaning} |"
        for each in METRICS.values()
    ]
    return "\n".join([*head, *rows]) + "\n"


DOCUMENTS: Final[dict[str, Callable[[], str]]] = {
    "EVENTS.md": events_md,
    "METRICS.md": metrics_md,
    "systemd/kasm-recd.catalog": catalog,
}

if __name__ == "__main__":
    for name, write in DOCUMENTS.items():
        (ROOT / name).write_text(write())
        print(f"wrote {name}")
