"""A journal made again from the spool's sidecars."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import sidecar
from kasm_recd.errors import JournalCorrupt, JournalLocked, SidecarInvalid
from kasm_recd.journal import Journal, Rebuilt, rebuild
from kasm_recd.recording import Identity, Recording
from kasm_recd.segment import Artifact
from kasm_recd.states import RecordingEvent, RecordingState, SegmentEvent, SegmentState

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.segment import Segment
    from tests.fixtures_journal import AddRecording, MakeDraft, MakeSession, SealOne

E, S = SegmentEvent, SegmentState
BODY = b"4.size,1.0,2.10,2.10;"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "segments").mkdir()
    return tmp_path


class Spooled:
    """Seals as the segmenter does: body, sidecar with a draft, then the journal."""

    def __init__(self, spool: Path, journal: Journal, a_draft: MakeDraft) -> None:
        self.spool, self.journal, self.a_draft = spool, journal, a_draft

    def folder(self, segment: Segment) -> Path:
        return self.spool / "segments" / segment.folder

    async def seal(self, recording_id: int, **changes: Any) -> Segment:
        draft = self.leave_unsealed(recording_id, **changes)
        return await self.journal.seal(draft, consumed=draft.start + draft.length)

    def leave_unsealed(self, recording_id: int, **changes: Any) -> Segment:
        recording = self.journal.recording(recording_id)
        assert recording is not None
        session = self.journal.session_by_id(recording.session_id)
        assert session is not None
        draft = self.a_draft(recording, length=len(BODY), **changes)
        folder = self.folder(draft)
        folder.mkdir(parents=True)
        (folder / sidecar.BODY).write_bytes(BODY)
        sidecar.write(folder, session, recording, draft)
        return draft

    async def finish(self, segment: Segment, form: str, role: str, name: str) -> Segment:
        """Makes what goes up, with its manifest, and tells the journal."""
        folder = self.folder(segment)
        if role != "raw":
            (folder / name).write_bytes(role.encode())
        content = (folder / name).read_bytes()
        types = {"raw": "application/octet-stream", "clip": "video/mp4"}
        artifact = Artifact(
            role, name, len(content), hashlib.sha256(content).hexdigest(), types[role]
        )
        manifest = {
            "form": form,
            "cause": "empty" if role == "raw" else "",
            "encoder": "" if role == "raw" else "native",
            "sequence": segment.sequence,
            "artifacts": [
                {
                    "role": artifact.role,
                    "name": artifact.name,
                    "size": artifact.size,
                    "sha256": artifact.sha256,
                    "content_type": artifact.content_type,
                }
            ],
        }
        text = json.dumps(manifest).encode()
        (folder / "manifest.json").write_bytes(text)
        made = Artifact(
            "manifest",
            "manifest.json",
            len(text),
            hashlib.sha256(text).hexdigest(),
            "application/json",
        )
        if role == "raw":
            return await self.journal.move_segment(segment.id, E.EMPTY, artifacts=(artifact, made))
        await self.journal.move_segment(segment.id, E.ENCODE)
        return await self.journal.move_segment(
            segment.id, E.ENCODED, artifacts=(artifact, made), encoder="native"
        )


@pytest.fixture
async def spooled(spool: Path, a_draft: MakeDraft, journal_path: Path) -> Spooled:
    return Spooled(spool, Journal.open(journal_path), a_draft)


async def made_again(spooled: Spooled, journal_path: Path) -> tuple[Rebuilt, Journal]:
    """Closes the journal, breaks it, rebuilds it and opens it."""
    await spooled.journal.close()
    journal_path.write_bytes(b"garbage " * 1000)
    with pytest.raises(JournalCorrupt):
        Journal.open(journal_path)
    rebuilt = rebuild(journal_path, spooled.spool)
    return rebuilt, Journal.open(journal_path)


def plain(segment: Segment) -> Segment:
    """Without the ids that a new journal gives anew."""
    return segment.evolve(id=0, session_id=0)


async def test_a_rebuilt_journal_knows_what_the_old_one_knew(
    spooled: Spooled, journal_path: Path, add_recording: AddRecording, a_session: MakeSession
) -> None:
    journal = spooled.journal
    await journal.admit(a_session("k-0"))  # has no segment and is not known afterwards
    one = await add_recording(journal, "k-1", path=os.fsdecode(b"/rec/caf\xe9"))
    two = await add_recording(journal, "k-2")
    sealed = [
        await spooled.seal(one.id, sealed_at=1.0),
        await spooled.seal(two.id, sealed_at=2.0),
        await spooled.seal(one.id, sealed_at=3.0, sealed_uptime=77.5),
    ]
    sealed[0] = await spooled.finish(sealed[0], "clip", "clip", "clip.mp4")
    sealed[1] = await spooled.finish(sealed[1], "raw", "raw", "body.guac")
    recordings = journal.recordings()
    sessions = {kasm_id: journal.session(kasm_id) for kasm_id in ("k-1", "k-2")}

    rebuilt, again = await made_again(spooled, journal_path)

    assert (rebuilt.sessions, rebuilt.recordings, rebuilt.segments) == (2, 2, 3)
    assert rebuilt.problems == ()
    assert [plain(segment) for segment in again.segments()] == [plain(each) for each in sealed]
    assert [segment.state for segment in again.segments()] == [S.ENCODED, S.RAW, S.SEALED]
    assert [replace(r, session_id=0) for r in again.recordings()] == [
        replace(r, session_id=0) for r in recordings
    ]
    for kasm_id, before in sessions.items():
        after = again.session(kasm_id)
        assert before is not None
        assert after is not None
        assert replace(after, id=0) == replace(before, id=0)
    assert again.session("k-0") is None
    assert again.uptime() == 77.5
    await again.close()


async def test_the_broken_journal_is_kept_beside_the_new_one(
    spooled: Spooled, journal_path: Path
) -> None:
    rebuilt, again = await made_again(spooled, journal_path)

    assert rebuilt.kept is not None
    assert rebuilt.kept.name.startswith("journal.db.broken-")
    assert rebuilt.kept.read_bytes() == b"garbage " * 1000
    await again.close()


async def test_a_rebuild_where_there_is_no_journal_makes_one(
    spool: Path, journal_path: Path
) -> None:
    rebuilt = rebuild(journal_path, spool)

    assert rebuilt == Rebuilt(0, 0, 0, problems=(), kept=None)
    again = Journal.open(journal_path)
    assert again.uptime() == 0
    await again.close()


async def test_a_leftover_log_of_the_old_journal_does_not_reach_the_new_one(
    spooled: Spooled, journal_path: Path, a_session: MakeSession
) -> None:
    await spooled.journal.admit(a_session("k-old"))
    wal = journal_path.with_name("journal.db-wal")
    log = wal.read_bytes()
    assert log
    await spooled.journal.close()
    journal_path.write_bytes(b"garbage " * 1000)
    wal.write_bytes(log)

    rebuilt = rebuild(journal_path, spooled.spool)

    assert rebuilt.kept is not None
    assert rebuilt.kept.with_name(f"{rebuilt.kept.name}-wal").read_bytes() == log
    again = Journal.open(journal_path)
    assert again.session("k-old") is None
    await again.close()


async def test_no_byte_is_cut_twice_after_a_rebuild(
    spooled: Spooled, journal_path: Path, add_recording: AddRecording, a_draft: MakeDraft
) -> None:
    recording = await add_recording(spooled.journal)
    for _ in range(3):
        await spooled.seal(recording.id)
    spooled.leave_unsealed(recording.id)  # a crash between the folder and the journal

    _, again = await made_again(spooled, journal_path)

    (found,) = again.recordings()
    assert (found.id, found.consumed) == (recording.id, 4 * len(BODY))
    following = await again.seal(a_draft(found), consumed=found.consumed + 1000)
    assert following.sequence == 4
    await again.close()


async def test_numbers_in_manifests_stand_and_later_ones_follow(
    spooled: Spooled, journal_path: Path, add_recording: AddRecording
) -> None:
    recording = await add_recording(spooled.journal)
    segments = [await spooled.seal(recording.id, sealed_at=float(n)) for n in range(4)]
    await spooled.finish(segments[2], "clip", "clip", "clip.mp4")
    for stored in segments[:2]:  # long stored and purged: the spool knows nothing of them
        for file in spooled.folder(stored).iterdir():
            file.unlink()
        spooled.folder(stored).rmdir()

    _, again = await made_again(spooled, journal_path)

    assert [segment.sequence for segment in again.segments()] == [2, 3]
    await again.close()


async def test_a_recording_goes_on_after_a_rebuild(
    spooled: Spooled, journal_path: Path, add_recording: AddRecording
) -> None:
    recording = await add_recording(spooled.journal)
    await spooled.journal.move_recording(recording.id, RecordingEvent.FINISH, ended_at=9.0)
    await spooled.seal(recording.id)

    _, again = await made_again(spooled, journal_path)

    drained = await again.move_recording(recording.id, RecordingEvent.DRAIN)
    assert (drained.state, drained.ended_at) == (RecordingState.DRAINED, 9.0)
    newer = await add_recording(again, "k-9")
    assert newer.id > recording.id
    await again.close()


async def test_folders_that_are_not_whole_are_named_and_left_alone(
    spooled: Spooled, journal_path: Path, add_recording: AddRecording
) -> None:
    recording = await add_recording(spooled.journal)
    whole, torn, bodyless, misnamed, badly_made = [
        await spooled.seal(recording.id, sealed_at=float(n)) for n in range(5)
    ]
    (spooled.folder(torn) / "segment.json").write_bytes(b'{"format": 1, "session"')
    (spooled.folder(bodyless) / "body.guac").write_bytes(b"short")
    stranger = spooled.folder(misnamed)
    stranger.rename(stranger.with_name("stranger"))
    await spooled.finish(badly_made, "clip", "clip", "clip.mp4")
    (spooled.folder(badly_made) / "clip.mp4").write_bytes(b"rotten")

    rebuilt, again = await made_again(spooled, journal_path)

    assert [(s.start, s.state) for s in again.segments()] == [
        (whole.start, S.SEALED),
        (badly_made.start, S.SEALED),
    ]
    assert again.recordings()[0].consumed == 5 * len(BODY)
    for name, problem in zip(
        (torn.folder, bodyless.folder, badly_made.folder, "stranger"),
        rebuilt.problems,
        strict=True,
    ):
        assert name in problem
    assert stranger.with_name("stranger").exists()
    await again.close()


async def test_a_journal_that_a_daemon_holds_is_not_rebuilt(
    journal: Journal, journal_path: Path, spool: Path, seal_one: SealOne
) -> None:
    segment = await seal_one(journal)

    with pytest.raises(JournalLocked, match=str(os.getpid())):
        rebuild(journal_path, spool)

    assert journal.segments() == [segment]
    assert not list(journal_path.parent.glob("*.broken-*"))


async def test_a_rebuild_that_was_cut_short_is_not_taken_for_a_new_journal(
    spooled: Spooled, journal_path: Path, add_recording: AddRecording
) -> None:
    await spooled.seal((await add_recording(spooled.journal)).id)
    await spooled.journal.close()
    journal_path.rename(journal_path.with_name("journal.db.rebuilding"))

    with pytest.raises(JournalCorrupt, match="cut short") as caught:
        Journal.open(journal_path)
    assert "again" in caught.value.hint
    assert not journal_path.exists()

    assert rebuild(journal_path, spooled.spool).segments == 1
    again = Journal.open(journal_path)
    assert len(again.segments()) == 1
    await again.close()


async def test_a_rebuild_that_fails_leaves_the_old_journal(
    spooled: Spooled, journal_path: Path, add_recording: AddRecording
) -> None:
    recording = await add_recording(spooled.journal)
    segment = await spooled.seal(recording.id)
    note = spooled.folder(segment) / "segment.json"
    note.write_text(note.read_text().replace('"boot-1"', "null"))
    await spooled.journal.close()

    with pytest.raises(JournalCorrupt):
        rebuild(journal_path, spooled.spool)

    again = Journal.open(journal_path)
    assert again.segments() == [segment]
    await again.close()


def test_a_sidecar_says_what_was_written(
    tmp_path: Path, a_session: MakeSession, a_draft: MakeDraft
) -> None:
    recording = make_recording()
    draft = a_draft(recording)
    session = a_session("k-1", recording_name=os.fsdecode(b"caf\xe9"), username="日本")

    sidecar.write(tmp_path, session, recording, draft)

    assert sidecar.read(tmp_path) == sidecar.Sidecar(session, recording, draft)
    assert [path.name for path in tmp_path.iterdir()] == ["segment.json"]
    assert (tmp_path / "segment.json").stat().st_mode & 0o777 == 0o600


def test_a_sidecar_does_not_keep_what_came_after_the_sealing(
    tmp_path: Path, a_session: MakeSession, a_draft: MakeDraft
) -> None:
    draft = a_draft(make_recording())

    sidecar.write(tmp_path, a_session(), make_recording(), draft.evolve(state=S.RAW, key="k"))

    assert sidecar.read(tmp_path).segment == draft


def make_recording() -> Recording:
    return Recording(
        id=3,
        session_id=1,
        path=os.fsdecode(b"/rec/caf\xe9"),
        identity=Identity(1, 2**64 - 1, 3, 4, "ab"),
        state=RecordingState.FINISHED,
        consumed=0,
        lock_seen=True,
        boot_id="boot-1",
        first_seen_at=1.5,
        ended_at=None,
        end_known=True,
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"format": 1', '"format": 2'),
        ('"format": 1', '"format": 1,'),
        ('"kasm_id"', '"kasm"'),
        ('"finished"', '"finisht"'),
        ('"contents": {', '"contents": 5, "x": {'),
        ('"identity": {', '"identity": null, "x": {'),
    ],
)
def test_a_sidecar_that_makes_no_sense_is_named(
    tmp_path: Path, a_session: MakeSession, a_draft: MakeDraft, old: str, new: str
) -> None:
    sidecar.write(tmp_path, a_session(), make_recording(), a_draft(make_recording()))
    note = tmp_path / "segment.json"
    assert old in note.read_text()
    note.write_text(note.read_text().replace(old, new, 1))

    with pytest.raises(SidecarInvalid, match=r"segment\.json"):
        sidecar.read(tmp_path)


def test_a_folder_without_a_sidecar_is_named(tmp_path: Path) -> None:
    with pytest.raises(SidecarInvalid, match=r"segment\.json"):
        sidecar.read(tmp_path)


def test_a_field_of_a_later_release_is_left_out(
    tmp_path: Path, a_session: MakeSession, a_draft: MakeDraft
) -> None:
    draft = a_draft(make_recording())
    sidecar.write(tmp_path, a_session(), make_recording(), draft)
    note = tmp_path / "segment.json"
    note.write_text(note.read_text().replace('"kasm_id"', '"colour": "red", "kasm_id"', 1))

    assert sidecar.read(tmp_path).segment == draft


async def test_a_live_recording_that_was_stored_so_far_is_not_cut_again(
    tmp_path: Path, journal_path: Path, a_draft: MakeDraft, add_recording: AddRecording
) -> None:
    (tmp_path / "segments").mkdir()
    journal = Journal.open(journal_path)
    spooled = Spooled(tmp_path, journal, a_draft)
    recording = await add_recording(journal)
    segment = await spooled.seal(recording.id)
    (spooled.folder(segment) / sidecar.BODY).unlink()
    await journal.close()
    assert rebuild(journal_path, tmp_path).problems == ()
    again = Journal.open(journal_path)
    (found,) = again.recordings()
    assert (found.consumed, found.state) == (segment.end, RecordingState.GROWING)
    before = again.segment_ending(recording.id, segment.end)
    assert before is not None
    assert before.state is S.STORED
    await again.close()
