"""Reads over the whole journal, what boot puts back, and what is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kasm_recd.clock import Scale
from kasm_recd.errors import IllegalMove
from kasm_recd.journal import Attempt, Journal
from kasm_recd.states import RecordingEvent, SegmentEvent, SegmentState

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.segment import Segment
    from tests.fixtures_journal import AddRecording, Clock, MakeSession, SealOne

E, S, V = SegmentEvent, SegmentState, RecordingEvent
WAYS: dict[SegmentState, tuple[SegmentEvent, ...]] = {
    S.SEALED: (),
    S.ENCODING: (E.ENCODE,),
    S.ENCODED: (E.ENCODE, E.ENCODED),
    S.RAW: (E.EMPTY,),
    S.UPLOADING: (E.ENCODE, E.ENCODED, E.UPLOAD),
    S.OWED: (E.PRESSURE, E.UPLOAD, E.OWE),
    S.STORED: (E.ENCODE, E.ENCODED, E.UPLOAD, E.STORED),
    S.PURGED: (E.ENCODE, E.ENCODED, E.UPLOAD, E.STORED, E.PURGE),
    S.EXPIRED: (E.EXPIRE,),
}


async def drive(journal: Journal, segment: Segment, state: SegmentState) -> Segment:
    for event in WAYS[state]:
        segment = await journal.move_segment(segment.id, event)
    assert segment.state is state
    return segment


async def one_in_each_state(
    journal: Journal, seal_one: SealOne, add_recording: AddRecording
) -> dict[SegmentState, Segment]:
    recording = await add_recording(journal)
    sealed = [
        await seal_one(
            journal, start=n * 10, length=10, recording_id=recording.id, sealed_at=100.0 + n
        )
        for n in range(len(S))
    ]
    return {
        state: await drive(journal, segment, state)
        for state, segment in zip(S, sealed, strict=True)
    }


async def test_segments_are_listed_by_state(
    journal: Journal, seal_one: SealOne, add_recording: AddRecording
) -> None:
    each = await one_in_each_state(journal, seal_one, add_recording)

    assert journal.segments() == list(each.values())
    assert journal.segments(S.RAW) == [each[S.RAW]]
    assert journal.segments(S.STORED, S.SEALED) == [each[S.SEALED], each[S.STORED]]


async def test_every_state_is_counted_even_with_none_in_it(
    journal: Journal, seal_one: SealOne
) -> None:
    assert journal.counts() == dict.fromkeys(map(str, S), 0)

    for state in (S.SEALED, S.SEALED, S.PURGED):
        await drive(journal, await seal_one(journal), state)

    assert journal.counts() == {**dict.fromkeys(map(str, S), 0), "sealed": 2, "purged": 1}


async def test_what_only_the_spool_has_is_at_risk(
    journal: Journal, seal_one: SealOne, add_recording: AddRecording
) -> None:
    assert (journal.bytes_at_risk(), journal.oldest_unstored()) == (0, None)

    each = await one_in_each_state(journal, seal_one, add_recording)

    assert journal.bytes_at_risk() == 50
    assert journal.clips_owed() == 1
    for event in (E.ENCODE, E.ENCODED, E.UPLOAD):
        await journal.move_segment(each[S.OWED].id, event)
        assert journal.bytes_at_risk() == 50, "what is owed a clip is in the store, as it is"
    assert journal.oldest_unstored() == each[S.SEALED].sealed_at
    await journal.move_segment(each[S.SEALED].id, E.EXPIRE)
    assert journal.bytes_at_risk() == 40
    assert journal.oldest_unstored() == each[S.ENCODING].sealed_at


async def test_recovery_puts_busy_segments_back_and_leaves_the_others(
    journal: Journal, seal_one: SealOne, add_recording: AddRecording
) -> None:
    each = await one_in_each_state(journal, seal_one, add_recording)
    raw = each[S.RAW]
    raw_uploading = await journal.move_segment(raw.id, E.UPLOAD)
    owed = await journal.move_segment(each[S.OWED].id, E.ENCODE)

    recovered = await journal.recover()

    expected = {
        each[S.ENCODING].id: each[S.ENCODING].evolve(state=S.SEALED),
        each[S.UPLOADING].id: each[S.UPLOADING].evolve(state=S.ENCODED),
        raw.id: raw_uploading.evolve(state=S.RAW),
        owed.id: owed.evolve(state=S.OWED),
    }
    assert {segment.id: segment for segment in recovered.segments} == expected
    for before in each.values():
        assert journal.segment(before.id) == expected.get(before.id, before)
    assert (await journal.recover()).segments == ()


async def test_recovery_names_the_attempts_a_crash_left_and_ends_them(
    journal: Journal, seal_one: SealOne, journal_clock: Clock
) -> None:
    segment = await seal_one(journal)
    ended = await journal.begin_attempt(segment.id, "encode", "t-0")
    await journal.end_attempt(ended, "failed", "exit 1")
    childless = await journal.begin_attempt(segment.id, "upload", "t-1")
    running = await journal.begin_attempt(segment.id, "encode", "t-2")
    await journal.attempt_started(running, 4711, 1_700_000_000.25)

    recovered = await journal.recover()

    now = journal_clock.now
    assert recovered.attempts == (
        Attempt(childless, segment.id, "upload", "t-1", now, None, None),
        Attempt(running, segment.id, "encode", "t-2", now, 4711, 1_700_000_000.25),
    )
    assert (await journal.recover()).attempts == ()
    with pytest.raises(IllegalMove, match=f"attempt {running} is not under way"):
        await journal.end_attempt(running, "encoded")
    with pytest.raises(IllegalMove, match=f"attempt {ended} is not under way"):
        await journal.attempt_started(ended, 1, 1.0)


async def test_each_boot_has_a_scale_of_its_own_with_every_step_in_its_order(
    journal: Journal,
) -> None:
    await journal.note_clock("boot-1", 1000.0, at=5000.0)
    await journal.note_clock("boot-1", 1030.0, at=6000.0)
    await journal.note_clock("boot-1", 500.0, at=5600.0)  # set back
    await journal.note_clock("boot-2", 9.0, at=5500.0)

    one, two = journal.clock_scale("boot-1"), journal.clock_scale("boot-2")
    assert one == Scale(((4000.0, 1000.0), (4970.0, 1030.0), (5100.0, 500.0)))
    assert two == Scale(((5491.0, 9.0),))
    assert journal.clock_scale("boot-3") is None


async def test_a_clock_that_runs_on_is_not_written_again(journal: Journal) -> None:
    await journal.note_clock("boot-1", 1000.0, at=5000.0)
    before = journal.commits

    for second in range(10):
        await journal.note_clock("boot-1", 1000.0 + second * 0.004, at=5001.0 + second)

    assert journal.commits == before
    await journal.note_clock("boot-1", 1000.06, at=5012.0)  # slewed by as much as is told apart
    assert journal.commits == before + 1
    scale = journal.clock_scale("boot-1")
    assert scale is not None
    assert scale.notes[-1] == (4011.94, 1000.06)


async def test_uptime_adds_up_over_starts(journal_path: Path) -> None:
    journal = Journal.open(journal_path)
    assert journal.uptime() == 0.0
    assert await journal.add_uptime(1.5) == 1.5
    assert await journal.add_uptime(2.0) == 3.5
    await journal.close()

    again = Journal.open(journal_path)
    assert again.uptime() == 3.5
    assert await again.add_uptime(1.0) == 4.5
    await again.close()


async def test_only_what_is_over_for_long_enough_is_forgotten(
    journal: Journal, seal_one: SealOne, add_recording: AddRecording, journal_clock: Clock
) -> None:
    each = await one_in_each_state(journal, seal_one, add_recording)
    old = journal_clock.now
    attempt = await journal.begin_attempt(each[S.PURGED].id, "upload", "t")
    await journal.end_attempt(attempt, "stored")
    journal_clock.now += 1000
    fresh = await drive(journal, await seal_one(journal, start=90, length=1), S.PURGED)

    assert await journal.prune(before=old) == 0
    assert await journal.prune(before=old + 1) == 0, "the recording may still be cut again"
    await journal.move_recording(fresh.recording_id, RecordingEvent.LOSE)
    assert await journal.prune(before=old + 1) == 2  # the purged and the expired one

    left = [each[state] for state in S if state not in {S.PURGED, S.EXPIRED}]
    assert journal.segments() == [*left, fresh]
    assert len(journal.recordings()) == 1


@pytest.mark.parametrize(
    ("events", "goes"),
    [
        ((), False),
        ((V.FINISH,), False),
        ((V.FINISH, V.DRAIN), False),
        ((V.FINISH, V.DRAIN, V.REMOVE), True),
        ((V.LOSE,), True),
    ],
)
async def test_a_session_is_forgotten_with_the_last_thing_of_it(
    journal: Journal,
    add_recording: AddRecording,
    journal_clock: Clock,
    a_session: MakeSession,
    events: tuple[RecordingEvent, ...],
    goes: bool,
) -> None:
    recording = await add_recording(journal)
    for event in events:
        await journal.move_recording(recording.id, event)

    await journal.prune(before=journal_clock.now + 1)

    assert (journal.recording(recording.id) is None) is goes
    assert (journal.session("k-1") is None) is goes
    if goes:  # its name is free
        await journal.admit(a_session("k-2", recording_name="rec-k-1"))


async def test_a_recording_stays_while_a_segment_of_it_is_left(
    journal: Journal, seal_one: SealOne, journal_clock: Clock
) -> None:
    segment = await seal_one(journal)
    for event in (V.FINISH, V.DRAIN, V.REMOVE):
        await journal.move_recording(segment.recording_id, event)

    assert await journal.prune(before=journal_clock.now + 1) == 0

    await drive(journal, segment, S.PURGED)
    assert await journal.prune(before=journal_clock.now + 1) == 3


async def test_a_session_that_was_just_admitted_stays(
    journal: Journal, a_session: MakeSession
) -> None:
    await journal.admit(a_session("k-1", admitted_at=500.0))

    assert await journal.prune(before=500.0) == 0
    assert await journal.prune(before=501.0) == 1


async def test_what_was_forgotten_never_lends_its_number_to_another(
    journal: Journal, seal_one: SealOne, add_recording: AddRecording, journal_clock: Clock
) -> None:
    first = await seal_one(journal)
    await drive(journal, first, S.PURGED)
    await journal.prune(before=journal_clock.now + 1)
    second = await seal_one(journal, start=1000)
    assert second.sequence == 1
    assert second.id > first.id

    await journal.move_recording(first.recording_id, V.LOSE)
    await drive(journal, second, S.PURGED)
    await journal.prune(before=journal_clock.now + 1)
    assert journal.recordings() == []

    assert (await add_recording(journal)).id > first.recording_id


async def test_clock_notes_stay_while_a_recording_of_that_boot_is_known(
    journal: Journal, add_recording: AddRecording
) -> None:
    await add_recording(journal)  # of boot-1
    await journal.note_clock("boot-0", 1.0, at=10.0)
    await journal.note_clock("boot-1", 2.0, at=10.0)

    assert await journal.prune(before=100.0) == 1

    assert journal.clock_scale("boot-0") is None
    assert journal.clock_scale("boot-1") == Scale(((8.0, 2.0),))
