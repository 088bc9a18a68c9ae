"""Write verbs on segments: plain functions of a connection inside a transaction."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from kasm_recd.errors import IllegalMove, KeyTaken
from kasm_recd.journal import recordings, rows, sessions
from kasm_recd.states import RETURNS, Form, SegmentEvent, SegmentState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kasm_recd.segment import Segment

#: What goes up from a state, by the table that leads back to it.
FORMS: Final[Mapping[SegmentState, Form]] = {state: form for form, state in RETURNS.items()}
#: A segment that the operator puts back is as it was at its sealing, but for its times.
PUT_BACK: Final[Mapping[str, Any]] = {
    "form": None,
    "cause": "",
    "encoder": "",
    "encode_attempts": 0,
    "next_attempt_at": 0.0,
    "destination": "",
    "key": "",
    "artifacts": (),
    "proofs": {},
    "owed": False,
}


#: What some events bring with them, whatever the segment.
BRINGS: Final[Mapping[SegmentEvent, Mapping[str, Any]]] = {
    SegmentEvent.RETRY: PUT_BACK,
    SegmentEvent.WAIVE: {"owed": False, "form": Form.RAW},
    SegmentEvent.STORED: {"owed": False},
}


def load(connection: sqlite3.Connection, segment_id: int) -> Segment:
    """One segment; raises IllegalMove when there is none."""
    row = connection.execute("SELECT * FROM segments WHERE id = ?", (segment_id,)).fetchone()
    if row is None:
        raise IllegalMove(f"the journal has no segment {segment_id}")
    return rows.segment_of(row)


def seal(connection: sqlite3.Connection, draft: Segment, *, consumed: int, now: float) -> Segment:
    """Adds a segment and moves its recording's ``consumed`` over it, both or neither.

    Raises:
        IllegalMove: it does not begin where the recording is consumed to, or end at ``consumed``.
    """
    if consumed != draft.start + draft.length or draft.state is not SegmentState.SEALED:
        raise IllegalMove(
            f"a {draft.state} segment of bytes {draft.start} to {draft.start + draft.length}"
            f" does not seal a recording up to {consumed}"
        )
    recording = recordings.consume(connection, draft.recording_id, draft.start, consumed, now=now)
    segment = draft.evolve(
        session_id=recording.session_id,
        sequence=sessions.take_sequence(connection, recording.session_id),
    )
    columns = {**rows.columns_of_value(segment), "changed_at": now}
    return segment.evolve(id=rows.insert(connection, "segments", columns))


def move(
    connection: sqlite3.Connection,
    segment_id: int,
    event: SegmentEvent,
    changes: Mapping[str, Any],
    *,
    now: float,
) -> Segment:
    """Takes the step that the table of legal moves has for ``event``."""
    uploads = event is SegmentEvent.UPLOAD
    rows.check_changes(
        changes, rows.SEGMENT_CHANGES | {"form"} if uploads else rows.SEGMENT_CHANGES
    )
    segment = load(connection, segment_id)
    state = segment.after(event)
    changes = {**_consequences(segment, event), **changes}
    if uploads and changes["form"] is not FORMS[segment.state]:
        raise IllegalMove(f"segment {segment_id} is {segment.state}: no {changes['form']} goes up")
    return _write(connection, segment, {**changes, "state": state}, now=now)


def update(
    connection: sqlite3.Connection, segment_id: int, changes: Mapping[str, Any], *, now: float
) -> Segment:
    """Changes what is free to change."""
    rows.check_changes(changes, rows.SEGMENT_CHANGES)
    return _write(connection, load(connection, segment_id), changes, now=now)


def claim_key(
    connection: sqlite3.Connection, segment_id: int, destination: str, key: str, *, now: float
) -> Segment:
    """Gives a segment its key in a store, for this and every retry.

    Raises:
        KeyTaken: the key is another segment's.
    """
    segment = load(connection, segment_id)
    try:
        return _write(connection, segment, {"destination": destination, "key": key}, now=now)
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            raise
        raise KeyTaken(f"{key} in {destination} is another segment's") from None


def _consequences(segment: Segment, event: SegmentEvent) -> Mapping[str, Any]:
    """What an event brings with it, beside the next state."""
    match event:
        case SegmentEvent.UPLOAD:
            return {"form": FORMS[segment.state]}
        case SegmentEvent.GIVE_UP | SegmentEvent.EMPTY | SegmentEvent.PRESSURE:
            owed = {"owed": True} if event is SegmentEvent.PRESSURE else {}
            return {"cause": segment.cause or str(event), **owed}
        case SegmentEvent.OWE:
            # The proof of what is stored stays; the clip's files are made and proved later.
            kept = {role: proof for role, proof in segment.proofs.items() if role == "raw"}
            return {"proofs": kept, "artifacts": (), "next_attempt_at": 0.0}
        case _:
            return BRINGS.get(event, {})


def _write(
    connection: sqlite3.Connection, segment: Segment, changes: Mapping[str, Any], *, now: float
) -> Segment:
    changed = segment.evolve(**changes)
    rows.update(connection, "segments", segment.id, {**rows.columns_of(changes), "changed_at": now})
    return changed
