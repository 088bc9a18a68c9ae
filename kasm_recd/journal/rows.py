"""Table rows to values and back. A column has its field's name; only the codecs below differ."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from kasm_recd.breach import Breach, BreachKind, Watch
from kasm_recd.contents import contents_from_json, contents_to_json
from kasm_recd.errors import IllegalMove, JournalCorrupt
from kasm_recd.recording import Identity, Recording
from kasm_recd.segment import Artifact, Segment
from kasm_recd.session import Session
from kasm_recd.states import Form, RecordingState, SegmentState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping

Column: TypeAlias = str | bytes | int | float | None
T = TypeVar("T")

Encoder: TypeAlias = "Callable[[Any], Column]"
Decoders: TypeAlias = "Mapping[str, Callable[[Any], Any]]"

_ENCODERS: Final[Mapping[str, Encoder]] = {
    "recording_name": os.fsencode,
    "path": os.fsencode,
    "identity": lambda identity: json.dumps(asdict(identity)),
    "contents": lambda contents: json.dumps(contents_to_json(contents)),
    "artifacts": lambda artifacts: json.dumps([asdict(artifact) for artifact in artifacts]),
    "proofs": lambda proofs: json.dumps(dict(proofs)),
}
_SESSION_DECODERS: Final[Decoders] = {
    "recording_name": os.fsdecode,
    "announced": bool,
}
_RECORDING_DECODERS: Final[Decoders] = {
    "path": os.fsdecode,
    "identity": lambda text: Identity(**json.loads(text)),
    "state": RecordingState,
    "lock_seen": bool,
    "end_known": bool,
}
_SEGMENT_DECODERS: Final[Decoders] = {
    "contents": lambda text: contents_from_json(json.loads(text)),
    "end_known": bool,
    "state": SegmentState,
    "form": lambda text: text and Form(text),
    "artifacts": lambda text: tuple(Artifact(**item) for item in json.loads(text)),
    "proofs": json.loads,
    "owed": bool,
}
_BREACH_DECODERS: Final[Decoders] = {"kind": BreachKind}

#: What an update may change; everything else is decided once, or by a move.
RECORDING_CHANGES: Final = frozenset(
    {"path", "identity", "lock_seen", "boot_id", "first_seen_at", "ended_at", "end_known"}
)
SEGMENT_CHANGES: Final = frozenset(
    {
        "began_at",
        "ended_at",
        "end_timestamp",
        "end_known",
        "contents",
        "cause",
        "encoder",
        "encode_attempts",
        "upload_attempts",
        "next_attempt_at",
        "destination",
        "key",
        "artifacts",
        "proofs",
    }
)


def check_changes(changes: Iterable[str], allowed: frozenset[str]) -> None:
    """Raises IllegalMove when ``changes`` names a field that is not free to change."""
    if refused := sorted(set(changes) - allowed):
        raise IllegalMove(f"not free to change: {', '.join(refused)}")


def columns_of(changes: Mapping[str, Any]) -> dict[str, Column]:
    """Fields of a value as columns."""
    return {
        name: _ENCODERS[name](value) if name in _ENCODERS else value
        for name, value in changes.items()
    }


def columns_of_value(value: Session | Recording | Segment) -> dict[str, Column]:
    """All fields of a value as columns, but for the id that the table gives."""
    return columns_of({f.name: getattr(value, f.name) for f in fields(value) if f.name != "id"})


def session_of(row: sqlite3.Row) -> Session:
    """Raises JournalCorrupt, as the other two do, when the row holds no such value."""
    return _value(Session, row, _SESSION_DECODERS)


def recording_of(row: sqlite3.Row) -> Recording:
    """See :func:`session_of`."""
    return _value(Recording, row, _RECORDING_DECODERS)


def segment_of(row: sqlite3.Row) -> Segment:
    """See :func:`session_of`."""
    return _value(Segment, row, _SEGMENT_DECODERS)


def breach_of(row: sqlite3.Row) -> Breach:
    """See :func:`session_of`; the row has its session's ``kasm_id`` too."""
    return _value(Breach, row, _BREACH_DECODERS)


def watch_of(row: sqlite3.Row) -> Watch:
    """See :func:`session_of`."""
    return _value(Watch, row, {})


def insert(connection: sqlite3.Connection, table: str, columns: Mapping[str, Any]) -> int:
    """Adds a row and gives its id."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    cursor = connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - our own names
        tuple(columns.values()),
    )
    return int(cursor.lastrowid or 0)


def update(
    connection: sqlite3.Connection, table: str, row_id: int, columns: Mapping[str, Any]
) -> None:
    """Changes columns of one row."""
    names = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(
        f"UPDATE {table} SET {names} WHERE id = ?",  # noqa: S608 - our own names
        (*columns.values(), row_id),
    )


def _as_it_is(value: Any) -> Any:
    return value


def _value(kind: Callable[..., T], row: sqlite3.Row, decoders: Decoders) -> T:
    try:
        return kind(
            **{
                field.name: decoders.get(field.name, _as_it_is)(row[field.name])
                for field in fields(kind)  # type: ignore[arg-type]
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise JournalCorrupt(f"row {row[0]} of the journal makes no sense: {error}") from error
