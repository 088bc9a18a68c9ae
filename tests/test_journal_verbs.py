from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kasm_recd.errors import IllegalMove, JournalCorrupt, KeyTaken, NameInUse
from kasm_recd.journal import Journal
from kasm_recd.recording import Identity, Recording
from kasm_recd.segment import Artifact
from kasm_recd.states import Form, RecordingEvent, RecordingState, SegmentEvent, SegmentState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.fixtures_journal import AddRecording, MakeDraft, MakeSession, SealOne

E, S = SegmentEvent, SegmentState


async def test_an_admitted_session_is_found_by_all_its_names(
    journal: Journal, a_session: MakeSession
) -> None:
    stored = await journal.admit(a_session("k-7", announced=False))

    assert stored.id > 0
    assert stored == a_session("k-7", announced=False, id=stored.id)
    assert journal.session("k-7") == stored
    assert journal.session_by_id(stored.id) == stored
    assert journal.session_by_recording_name("rec-k-7") == stored
    assert journal.session("k-8") is None
    assert journal.session_by_id(99) is None
    assert journal.session_by_recording_name("rec") is None


async def test_admitting_a_session_again_changes_nothing(
    journal: Journal, a_session: MakeSession
) -> None:
    first = await journal.admit(a_session("k-1"))

    again = await journal.admit(a_session("k-1", recording_name="another", username="else"))

    assert again == first
    assert journal.session("k-1") == first
    assert journal.session_by_recording_name("another") is None


async def test_a_recording_name_belongs_to_one_session(
    journal: Journal, a_session: MakeSession
) -> None:
    await journal.admit(a_session("k-1", recording_name="desk"))

    with pytest.raises(NameInUse, match="desk"):
        await journal.admit(a_session("k-2", recording_name="desk"))

    assert journal.session("k-2") is None


async def test_a_path_of_any_bytes_comes_back_as_it_was(
    journal: Journal, a_session: MakeSession, add_recording: AddRecording
) -> None:
    name = os.fsdecode(b"caf\xe9-\xff")
    session = await journal.admit(a_session("k-9", recording_name=name))
    recording = await add_recording(journal, "k-9", path=f"/rec/{name}")

    assert journal.session_by_recording_name(name) == session
    found = journal.recording(recording.id)
    assert found is not None
    assert os.fsencode(found.path) == b"/rec/caf\xe9-\xff"


async def test_a_recording_starts_growing_with_nothing_consumed(
    journal: Journal, add_recording: AddRecording
) -> None:
    recording = await add_recording(journal)

    assert recording.state is RecordingState.GROWING
    assert recording.consumed == 0
    assert recording.identity.inode == 2**64 - 5
    assert journal.recording(recording.id) == recording
    assert journal.recording(99) is None


async def test_recordings_are_listed_by_state(
    journal: Journal, add_recording: AddRecording
) -> None:
    one, two, three = [await add_recording(journal, f"k-{n}") for n in range(3)]
    two = await journal.move_recording(
        two.id, RecordingEvent.FINISH, ended_at=1_700_000_100.5, end_known=True
    )
    three = await journal.move_recording(three.id, RecordingEvent.LOSE)

    assert (two.state, two.ended_at, two.end_known) == (
        RecordingState.FINISHED,
        1_700_000_100.5,
        True,
    )
    assert journal.recordings() == [one, two, three]
    assert journal.recordings(RecordingState.FINISHED) == [two]
    assert journal.recordings(RecordingState.GROWING, RecordingState.LOST) == [one, three]


async def test_a_recording_moves_only_along_its_table(
    journal: Journal, add_recording: AddRecording
) -> None:
    recording = await add_recording(journal)

    with pytest.raises(IllegalMove, match="growing"):
        await journal.move_recording(recording.id, RecordingEvent.DRAIN, lock_seen=False)

    assert journal.recording(recording.id) == recording


async def test_an_update_changes_what_it_names_and_no_state(
    journal: Journal, add_recording: AddRecording
) -> None:
    recording = await add_recording(journal)
    grown = Identity(1, 2, 3, 4096, "ef" * 32)

    updated = await journal.update_recording(recording.id, identity=grown, lock_seen=False)

    assert updated == replace(recording, identity=grown, lock_seen=False)
    assert journal.recording(recording.id) == updated
    for forbidden in ({"state": RecordingState.LOST}, {"consumed": 5}, {"id": 3}, {"typo": 1}):
        with pytest.raises(IllegalMove, match=next(iter(forbidden))):
            await journal.update_recording(recording.id, **forbidden)
    assert journal.recording(recording.id) == updated


async def test_verbs_on_what_is_not_there_are_illegal(journal: Journal) -> None:
    with pytest.raises(IllegalMove, match="no recording 5"):
        await journal.move_recording(5, RecordingEvent.FINISH)
    with pytest.raises(IllegalMove, match="no segment 5"):
        await journal.move_segment(5, E.ENCODE)
    with pytest.raises(IllegalMove, match="FOREIGN KEY"):
        await journal.begin_attempt(5, "encode", "token")
    with pytest.raises(IllegalMove, match="FOREIGN KEY"):
        await journal.add_recording(
            session_id=5,
            path="/rec/x",
            identity=Identity(1, 2, 3),
            lock_seen=False,
            boot_id="",
            first_seen_at=0.0,
        )


async def test_sealing_adds_the_segment_and_moves_consumed_over_it(
    journal: Journal, add_recording: AddRecording, a_draft: MakeDraft
) -> None:
    recording = await add_recording(journal)
    draft = a_draft(recording)

    first = await journal.seal(draft, consumed=1000)
    grown = journal.recording(recording.id)
    assert grown is not None
    second = await journal.seal(a_draft(grown, length=7), consumed=1007)

    assert first == draft.evolve(id=first.id, sequence=0)
    assert (second.start, second.sequence) == (1000, 1)
    assert journal.segments_of(recording.id) == [first, second]
    assert journal.segment(first.id) == first
    assert journal.recordings() == [replace(recording, consumed=1007)]


async def test_segments_of_all_recordings_of_a_session_are_numbered_together(
    journal: Journal, add_recording: AddRecording, a_draft: MakeDraft
) -> None:
    one = await add_recording(journal, "k-1")
    two = await add_recording(journal, "k-1", path="/rec/rec-k-1.1")
    other = await add_recording(journal, "k-2")

    sealed = [await journal.seal(a_draft(r), consumed=1000) for r in (two, other, one)]

    assert [segment.sequence for segment in sealed] == [0, 0, 1]


@pytest.mark.parametrize(
    ("start", "length", "consumed"), [(1, 10, 11), (0, 10, 11), (0, 10, 9), (0, 0, 0), (0, -1, -1)]
)
async def test_a_seal_that_leaves_a_gap_or_an_overlap_changes_nothing(
    journal: Journal,
    add_recording: AddRecording,
    a_draft: MakeDraft,
    start: int,
    length: int,
    consumed: int,
) -> None:
    recording = await add_recording(journal)

    with pytest.raises(IllegalMove):
        await journal.seal(a_draft(recording, start=start, length=length), consumed=consumed)

    assert journal.recordings() == [recording]
    assert journal.segments() == []
    session = journal.session_by_id(recording.session_id)
    assert session is not None
    sealed = await journal.seal(a_draft(recording), consumed=1000)
    assert sealed.sequence == 0  # no number was used up


async def test_no_byte_is_sealed_twice(journal: Journal, seal_one: SealOne) -> None:
    first = await seal_one(journal)

    with pytest.raises(IllegalMove, match="consumed up to 1000"):
        await journal.seal(first, consumed=1000)


async def test_only_a_sealed_draft_is_sealed(
    journal: Journal, add_recording: AddRecording, a_draft: MakeDraft
) -> None:
    recording = await add_recording(journal)

    with pytest.raises(IllegalMove, match="encoded"):
        await journal.seal(a_draft(recording, state=S.ENCODED), consumed=1000)


async def test_a_segment_goes_the_whole_way_and_keeps_what_each_step_adds(
    journal: Journal, seal_one: SealOne
) -> None:
    clip = Artifact("clip", "clip.mp4", 55, "12" * 32, "video/mp4")
    segment = await seal_one(journal)
    segment = await journal.move_segment(segment.id, E.ENCODE, encode_attempts=1)
    segment = await journal.move_segment(segment.id, E.ENCODED, artifacts=(clip,), encoder="native")
    segment = await journal.claim_key(segment.id, "s3://b@h:9", "a/b.mp4")
    segment = await journal.move_segment(segment.id, E.UPLOAD)
    assert segment.form is Form.CLIP
    segment = await journal.update_segment(segment.id, proofs={"clip": "etag:x"})
    segment = await journal.move_segment(segment.id, E.STORED)
    segment = await journal.move_segment(segment.id, E.PURGE)

    assert journal.segment(segment.id) == segment
    assert segment.state is S.PURGED
    assert (segment.artifacts, segment.encoder, segment.encode_attempts) == ((clip,), "native", 1)
    assert (segment.destination, segment.key) == ("s3://b@h:9", "a/b.mp4")
    assert segment.proofs == {"clip": "etag:x"}


@pytest.mark.parametrize("event", [E.FAILED, E.RESTART])
@pytest.mark.parametrize(
    ("way", "form", "back"),
    [((E.ENCODE, E.ENCODED), Form.CLIP, S.ENCODED), ((E.GIVE_UP,), Form.RAW, S.RAW)],
)
async def test_an_upload_that_fails_returns_to_where_it_came_from(
    journal: Journal,
    seal_one: SealOne,
    way: tuple[SegmentEvent, ...],
    form: Form,
    back: SegmentState,
    event: SegmentEvent,
) -> None:
    segment = await seal_one(journal)
    for step in (*way, E.UPLOAD):
        segment = await journal.move_segment(segment.id, step)
    assert segment.form is form

    returned = await journal.move_segment(segment.id, event, next_attempt_at=9.5)

    assert (returned.state, returned.next_attempt_at) == (back, 9.5)


async def test_the_form_is_that_of_the_state_and_nothing_else_sets_it(
    journal: Journal, seal_one: SealOne
) -> None:
    segment = await seal_one(journal)
    raw = await journal.move_segment(segment.id, E.PRESSURE)

    with pytest.raises(IllegalMove, match="no clip goes up"):
        await journal.move_segment(raw.id, E.UPLOAD, form=Form.CLIP)
    with pytest.raises(IllegalMove, match="form"):
        await journal.update_segment(raw.id, form=Form.CLIP)
    with pytest.raises(IllegalMove, match="form"):
        await journal.move_segment(raw.id, E.RETRY, form=Form.CLIP)
    assert journal.segment(raw.id) == raw

    uploading = await journal.move_segment(raw.id, E.UPLOAD, form=Form.RAW)
    assert uploading.form is Form.RAW


@pytest.mark.parametrize("event", [E.GIVE_UP, E.EMPTY, E.PRESSURE])
async def test_what_goes_up_raw_says_why(
    journal: Journal, seal_one: SealOne, event: SegmentEvent
) -> None:
    unsaid, said, known = [await seal_one(journal) for _ in range(3)]
    await journal.update_segment(known.id, cause="guacenc died")

    assert (await journal.move_segment(unsaid.id, event)).cause == event
    assert (await journal.move_segment(said.id, event, cause="because")).cause == "because"
    assert (await journal.move_segment(known.id, event)).cause == "guacenc died"


async def test_a_retry_puts_a_segment_back_as_it_was_sealed(
    journal: Journal, seal_one: SealOne
) -> None:
    sealed = await seal_one(journal)
    await journal.move_segment(sealed.id, E.ENCODE, encode_attempts=3)
    await journal.move_segment(sealed.id, E.FAILED, cause="worker failed", next_attempt_at=5.0)
    await journal.move_segment(sealed.id, E.GIVE_UP)
    await journal.claim_key(sealed.id, "d", "a.guac")
    await journal.move_segment(sealed.id, E.UPLOAD)
    await journal.move_segment(sealed.id, E.FAILED, upload_attempts=1)

    retried = await journal.move_segment(sealed.id, E.RETRY)

    assert retried == sealed.evolve(upload_attempts=1)
    assert journal.segment(sealed.id) == retried


async def test_a_key_belongs_to_one_segment_of_a_destination(
    journal: Journal, seal_one: SealOne
) -> None:
    one, two = [await seal_one(journal) for _ in range(2)]
    claimed = await journal.claim_key(one.id, "s3://a", "k.mp4")

    with pytest.raises(KeyTaken, match=r"k\.mp4"):
        await journal.claim_key(two.id, "s3://a", "k.mp4")

    assert journal.segment(two.id) == two
    assert await journal.claim_key(one.id, "s3://a", "k.mp4") == claimed
    assert (await journal.claim_key(two.id, "s3://b", "k.mp4")).destination == "s3://b"
    assert (await journal.claim_key(one.id, "s3://a", "k.0001.mp4")).key == "k.0001.mp4"
    assert (await journal.claim_key(two.id, "s3://a", "k.mp4")).key == "k.mp4"  # free again


async def test_everything_is_there_after_closing_and_opening(
    journal_path: Path, seal_one: SealOne
) -> None:
    journal = Journal.open(journal_path)
    segment = await seal_one(journal)
    recordings, sessions = journal.recordings(), journal.session("k-1")
    await journal.close()

    again = Journal.open(journal_path)

    assert again.segments() == [segment]
    assert again.recordings() == recordings
    assert again.session("k-1") == sessions
    await again.close()


async def test_a_segment_leads_to_its_recording_and_its_session(
    journal: Journal, seal_one: SealOne, add_recording: AddRecording
) -> None:
    await add_recording(journal, "k-1")
    segment = await seal_one(journal)

    recording = journal.source(segment)
    assert recording == journal.recording(segment.recording_id)
    assert journal.owner(segment) == journal.owner(recording) == journal.session("k-1")
    with pytest.raises(JournalCorrupt, match="no session 99"):
        journal.owner(segment.evolve(session_id=99))
    with pytest.raises(JournalCorrupt, match="no recording 99"):
        journal.source(segment.evolve(recording_id=99))


async def test_recordings_are_open_until_they_are_removed_or_lost(
    journal: Journal, add_recording: Callable[..., Awaitable[Recording]]
) -> None:
    first = await add_recording(journal, "k-1")
    await add_recording(journal, "k-2")
    assert journal.recordings_open() == 2
    await journal.move_recording(first.id, RecordingEvent.LOSE)
    assert journal.recordings_open() == 1
