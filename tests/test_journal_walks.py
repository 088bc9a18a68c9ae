"""Random walks over both tables of moves, held against the real journal."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from kasm_recd.contents import Contents
from kasm_recd.errors import IllegalMove, KeyTaken
from kasm_recd.journal import Journal
from kasm_recd.recording import Identity
from kasm_recd.segment import Segment
from kasm_recd.session import Session
from kasm_recd.states import (
    RECORDING_MOVES,
    SEGMENT_MOVES,
    Form,
    RecordingEvent,
    SegmentEvent,
    SegmentState,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

E, S = SegmentEvent, SegmentState

#: What the tables mean for a segment on its way up, said a second time.
BACK = {Form.CLIP: S.ENCODED, Form.RAW: S.RAW}


class Walk(RuleBasedStateMachine):
    """``rows`` is what the journal's tables should hold, whole rows, by (table, id)."""

    recordings = Bundle("recordings")
    segments = Bundle("segments")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"
        self.runner = asyncio.Runner()
        self.journal = Journal.open(self.path)
        self.rows: dict[tuple[str, int], dict[str, Any]] = {}
        session = self.run(
            self.journal.admit(Session("k", "u", "n", "i", "f", "c", "s", "rec", 1.0))
        )
        self.session_id = session.id

    def run(self, verb: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(verb)

    def tables(self) -> dict[tuple[str, int], dict[str, Any]]:
        return {
            (table, row["id"]): dict(row)
            for table in ("recordings", "segments")
            for row in self.journal._reading.execute(f"SELECT * FROM {table}")  # noqa: S608 - ours
        }

    def expect(self, table: str, row_id: int, **columns: Any) -> None:
        """The row changed in these columns and its time, and no other row did."""
        now = self.tables()
        columns["changed_at"] = now[table, row_id]["changed_at"]
        self.rows[table, row_id] = {**self.rows.get((table, row_id), {}), **columns}

    @rule(target=recordings)
    def a_recording_appears(self) -> int:
        recording = self.run(
            self.journal.add_recording(
                session_id=self.session_id,
                path="/rec/rec",
                identity=Identity(1, 2, 3),
                lock_seen=False,
                boot_id="b",
                first_seen_at=2.0,
            )
        )
        self.rows["recordings", recording.id] = self.tables()["recordings", recording.id]
        return int(recording.id)

    @rule(recording=recordings, event=st.sampled_from(RecordingEvent), seen=st.booleans())
    def a_recording_is_told(self, recording: int, event: RecordingEvent, seen: bool) -> None:
        state = self.rows["recordings", recording]["state"]
        following = RECORDING_MOVES.get((state, event))
        verb = self.journal.move_recording(recording, event, lock_seen=seen)
        if following is None:
            with pytest.raises(IllegalMove):
                self.run(verb)
        else:
            assert self.run(verb).state is following
            self.expect("recordings", recording, state=str(following), lock_seen=int(seen))

    @rule(
        target=segments,
        recording=recordings,
        shift=st.sampled_from([0, 0, 0, 1, -1]),
        length=st.integers(0, 5),
        slip=st.sampled_from([0, 0, 0, 1]),
    )
    def a_segment_is_sealed(self, recording: int, shift: int, length: int, slip: int) -> Any:
        consumed = self.rows["recordings", recording]["consumed"]
        draft = Segment(
            0, 0, recording, 0, consumed + shift, length, "", Contents(), 1, 2, 3, True, 4, 5
        )
        verb = self.journal.seal(draft, consumed=consumed + length + slip)
        if shift or slip or not length:
            with pytest.raises(IllegalMove):
                self.run(verb)
            return multiple()
        sealed = self.run(verb)
        self.expect("recordings", recording, consumed=consumed + length)
        row = self.tables()["segments", sealed.id]
        known = [r["sequence"] for (table, _), r in self.rows.items() if table == "segments"]
        assert (row["sequence"], row["start"], row["length"]) == (len(known), consumed, length)
        self.rows["segments", sealed.id] = row
        return sealed.id

    @rule(segment=segments, event=st.sampled_from(SegmentEvent), cause=st.sampled_from("xy"))
    def a_segment_is_told(self, segment: int, event: SegmentEvent, cause: str) -> None:
        row = self.rows["segments", segment]
        following = _after(row, event)
        verb = self.journal.move_segment(segment, event, cause=cause)
        if following is None:
            with pytest.raises(IllegalMove):
                self.run(verb)
            return
        assert self.run(verb).state is following
        columns: dict[str, Any] = {"state": str(following), "cause": cause}
        columns |= OWED.get(event, {})
        if event is E.UPLOAD:
            columns["form"] = "raw" if row["state"] == S.RAW else "clip"
        if event is E.RETRY:
            columns |= {"form": None, "destination": "", "key": "", "encode_attempts": 0}
        self.expect("segments", segment, **columns)

    @rule(segment=segments, key=st.sampled_from(["a", "b"]))
    def a_key_is_claimed(self, segment: int, key: str) -> None:
        others = [
            row["key"]
            for (table, row_id), row in self.rows.items()
            if table == "segments" and row_id != segment
        ]
        verb = self.journal.claim_key(segment, "d", key)
        if key in others:
            with pytest.raises(KeyTaken):
                self.run(verb)
        else:
            self.run(verb)
            self.expect("segments", segment, destination="d", key=key)

    @rule(segment=segments, attempts=st.integers(0, 3))
    def a_segment_is_updated(self, segment: int, attempts: int) -> None:
        with pytest.raises(IllegalMove):
            self.run(self.journal.update_segment(segment, state=S.STORED))
        self.run(self.journal.update_segment(segment, encode_attempts=attempts))
        self.expect("segments", segment, encode_attempts=attempts)

    @rule()
    def the_daemon_starts_again(self) -> None:
        self.run(self.journal.close())
        self.journal = Journal.open(self.path)
        assert self.tables() == self.rows
        recovered = self.run(self.journal.recover())
        for segment in recovered.segments:
            row = self.rows["segments", segment.id]
            back = _after(row, E.RESTART)
            self.expect("segments", segment.id, state=str(back))

    @invariant()
    def the_journal_holds_what_it_should_and_nothing_else(self) -> None:
        assert self.tables() == self.rows

    def teardown(self) -> None:
        self.run(self.journal.close())
        self.runner.close()
        self.folder.cleanup()


#: What a segment's debt of a clip does at an event.
OWED: dict[SegmentEvent, dict[str, Any]] = {
    E.PRESSURE: {"owed": 1},
    E.OWE: {"proofs": "{}", "artifacts": "[]", "next_attempt_at": 0.0},
    E.WAIVE: {"owed": 0, "form": "raw"},
    E.STORED: {"owed": 0},
    E.RETRY: {"owed": 0},
}


def _after(row: dict[str, Any], event: SegmentEvent) -> SegmentState | None:
    """The rule, said a second time: a row's next state, None where the event is illegal."""
    owed, raw = bool(row["owed"]), row["form"] == "raw"
    after = SEGMENT_MOVES.get((row["state"], event))
    if event in {E.FAILED, E.RESTART} and row["state"] == S.UPLOADING:
        after = BACK[row["form"]]
    if event in {E.FAILED, E.RESTART} and row["state"] == S.ENCODING and owed:
        after = S.OWED
    forbidden = {
        (S.UPLOADING, E.STORED): owed and raw,
        (S.UPLOADING, E.OWE): not (owed and raw),
        (S.ENCODED, E.WAIVE): not owed,
        (S.ENCODED, E.EXPIRE): owed,
    }
    return None if forbidden.get((row["state"], event)) else after


TestWalk = pytest.mark.slow(Walk.TestCase)
TestWalk.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
