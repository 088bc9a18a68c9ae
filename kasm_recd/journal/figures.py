"""What the journal can count without reading values; the queries of read verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kasm_recd.breach import BreachKind
from kasm_recd.states import Form, RecordingState, SegmentState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    #: Runs a statement with its parameters and gives the rows.
    Query = Callable[..., list[sqlite3.Row]]

#: Only the spool has these bytes.
UNSTORED: Final = (
    SegmentState.SEALED,
    SegmentState.ENCODING,
    SegmentState.ENCODED,
    SegmentState.RAW,
    SegmentState.UPLOADING,
)


def segments_by_state(query: Query) -> dict[str, int]:
    """State -> how many segments are in it; every state has an entry."""
    rows = query("SELECT state, count(*) AS n FROM segments GROUP BY state")
    return {**dict.fromkeys(map(str, SegmentState), 0), **{r["state"]: r["n"] for r in rows}}


def breaches_by_kind(query: Query) -> dict[str, int]:
    """Kind -> how many breaches are remembered; ``open``: how many are not settled."""
    rows = query(
        "SELECT kind, count(*) AS n, sum(settled_at IS NULL) AS unsettled"
        " FROM breaches GROUP BY kind"
    )
    counts = {**dict.fromkeys(map(str, BreachKind), 0), **{r["kind"]: r["n"] for r in rows}}
    return {**counts, "open": sum(r["unsettled"] for r in rows)}


def recordings_open(query: Query) -> int:
    """How many recordings may still lie in the folder."""
    gone = (RecordingState.REMOVED, RecordingState.LOST)
    rows = query("SELECT count(*) AS n FROM recordings WHERE state NOT IN (?, ?)", *gone)
    return int(rows[0]["n"])


def over_unstored(query: Query, aggregate: str) -> float | None:
    """An SQL aggregate over the segments that only the spool has; None where there are none.

    What went up raw under pressure is stored, whatever becomes of its clip.
    """
    marks = ", ".join("?" * len(UNSTORED))
    rows = query(
        f"SELECT {aggregate} AS found FROM segments WHERE state IN ({marks})"  # noqa: S608 - ours
        " AND NOT (owed AND (state IN (?, ?) OR (state = ? AND form = ?)))",
        *(*UNSTORED, SegmentState.ENCODING, SegmentState.ENCODED),
        *(SegmentState.UPLOADING, Form.CLIP),
    )
    found: float | None = rows[0]["found"]
    return found
