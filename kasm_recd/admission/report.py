"""What became of a session's recording, for ``GET /v1/sessions/{kasm_id}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kasm_recd.states import RecordingState, SegmentState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kasm_recd.breach import Breach
    from kasm_recd.journal import JournalReader
    from kasm_recd.recording import Recording
    from kasm_recd.segment import Segment

UNRECORDED = "unrecorded"
DONE = (SegmentState.STORED, SegmentState.PURGED)


def report(journal: JournalReader, kasm_id: str, *, now: float) -> dict[str, Any] | None:
    """A session with its recordings and segments as JSON values; None where it is not known.

    ``state`` is ``unrecorded`` (it has an open breach), ``pending`` (promised, its recording has
    not appeared), ``recording``, ``storing`` (guacd is done, the store is not), ``stored``,
    ``incomplete`` (some of it was lost, or kept too long without being stored) or ``none`` (no
    recording, and none is promised). Times are Unix seconds; ``now`` is one.
    """
    session = journal.session(kasm_id)
    if session is None:
        return None
    recordings = journal.recordings_of(session.id)
    segments = {each.id: journal.segments_of(each.id) for each in recordings}
    promise = journal.promise(kasm_id)
    breaches = journal.breaches_of(session.id)
    open_breach = any(each.open for each in breaches)
    return {
        "kasm_id": kasm_id,
        "state": UNRECORDED
        if open_breach
        else _state(recordings, segments, pending=promise is not None),
        "announced": session.announced,
        "admitted_at": session.admitted_at,
        "pending_s": None if promise is None else round(max(0.0, now - promise.allowed_at), 3),
        "recording_name": session.recording_name,
        "breaches": [_breach(each) for each in breaches],
        "recordings": [_recording(each, segments[each.id]) for each in recordings],
    }


def _state(
    recordings: Sequence[Recording], segments: Mapping[int, Sequence[Segment]], *, pending: bool
) -> str:
    states = {each.state for each in recordings}
    cut = [segment.state for each in segments.values() for segment in each]
    if RecordingState.GROWING in states:
        return "recording"
    if pending:
        return "pending"
    if not recordings:
        return "none"
    if RecordingState.LOST in states or SegmentState.EXPIRED in cut:
        return "incomplete"
    if RecordingState.FINISHED in states or not set(cut) <= set(DONE):
        return "storing"
    return "stored"


def _breach(breach: Breach) -> dict[str, Any]:
    return {
        "kind": breach.kind,
        "at": breach.at,
        "detail": breach.detail,
        "settled_at": breach.settled_at,
        "settled_by": breach.settled_by,
    }


def _recording(recording: Recording, segments: Sequence[Segment]) -> dict[str, Any]:
    return {
        "id": recording.id,
        "name": recording.path.rpartition("/")[2],
        "state": recording.state,
        "cut_bytes": recording.consumed,
        "first_seen_at": recording.first_seen_at,
        "ended_at": recording.ended_at,
        "end_known": recording.end_known,
        "segments": [_segment(each) for each in segments],
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "sequence": segment.sequence,
        "state": segment.state,
        "bytes": segment.length,
        "began_at": segment.began_at,
        "ended_at": segment.ended_at,
        "form": segment.form,
        "cause": segment.cause,
        "damage": len(segment.contents.damage),
        "destination": segment.destination,
        "key": segment.key,
    }
