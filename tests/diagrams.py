"""Draws both state diagrams from the tables of legal moves, as Mermaid's stateDiagram-v2.

``python -m tests.diagrams`` puts them into ARCHITECTURE.md, between their markers.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from kasm_recd.states import (
    OWED_RETURNS,
    RECORDING_MOVES,
    RETURNING_EVENTS,
    RETURNS,
    SEGMENT_MOVES,
    RecordingState,
    SegmentState,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ARCHITECTURE = Path(__file__).parent.parent / "ARCHITECTURE.md"

Move = tuple[str, str, str]  # from, event, to


def segment_states() -> str:
    """The way of a segment; the moves that depend on its form, or on an owed clip, say which."""
    moves: list[Move] = [(state, event, to) for (state, event), to in SEGMENT_MOVES.items()]
    moves += [
        (SegmentState.UPLOADING, f"{event} ({form})", to)
        for form, to in RETURNS.items()
        for event in sorted(RETURNING_EVENTS)
    ]
    moves += [
        (state, f"{event} (owed)", to)
        for state, to in OWED_RETURNS.items()
        for event in sorted(RETURNING_EVENTS)
    ]
    return draw(SegmentState, moves)


def recording_states() -> str:
    """The way of a recording."""
    moves: list[Move] = [(state, event, to) for (state, event), to in RECORDING_MOVES.items()]
    return draw(RecordingState, moves)


def draw(states: Iterable[str], moves: list[Move]) -> str:
    """A diagram that begins at the first state and ends where no move leads out."""
    names = [str(state) for state in states]
    events: dict[tuple[str, str], list[str]] = {}
    for state, event, to in moves:
        events.setdefault((str(state), str(to)), []).append(str(event))
    lines = ["stateDiagram-v2", f"    [*] --> {names[0]}"]
    for name in names:
        ways = [(to, labels) for (state, to), labels in events.items() if state == name]
        lines += [f"    {name} --> {to}: {', '.join(labels)}" for to, labels in ways]
        if not ways:
            lines.append(f"    {name} --> [*]")
    return "\n".join(lines)


DIAGRAMS = {"segment-states": segment_states, "recording-states": recording_states}


def marked(name: str, diagram: str) -> str:
    """A diagram as it stands in a Markdown file."""
    return f"<!-- {name} -->\n```mermaid\n{diagram}\n```\n<!-- /{name} -->"


def with_diagrams(text: str) -> str:
    """``text`` with each diagram between its markers; raises ValueError where they are missing."""
    for name, diagram in DIAGRAMS.items():
        between = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
        if len(between.findall(text)) != 1:
            raise ValueError(f"{name} has no place of its own in the text")
        replacement = marked(name, diagram())
        text = between.sub(lambda _: replacement, text)  # noqa: B023 - used at once
    return text


if __name__ == "__main__":
    ARCHITECTURE.write_text(with_diagrams(ARCHITECTURE.read_text()))
    print(f"drew {', '.join(DIAGRAMS)} into {ARCHITECTURE}")
