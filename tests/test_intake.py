"""What the watcher saw becomes what the journal knows."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.clock import ClockReading
from kasm_recd.intake import Intake
from kasm_recd.recording import Identity, Recording
from kasm_recd.states import RecordingEvent, RecordingState
from kasm_recd.watcher import Evidence, Loss, Scan, Sighting

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.journal import Journal
    from kasm_recd.session import Session

NOW = 1_700_000_100.0
CLOCK = ClockReading(realtime=NOW, monotonic_ms=100_000, offset_s=NOW - 100, boot_id="boot-1")


def sighting(path: Path | str = "/rec/rec-k-1", **changes: Any) -> Sighting:
    fields: dict[str, Any] = {
        "path": Path(path),
        "identity": Identity(1, 2, 3, 4, "head"),
        "size": 1000,
        "allocated": 4096,
        "mtime": NOW,
        "at": NOW,
        "locked": True,
        "lock_pid": 7,
        "lock_seen": True,
        "open_for_writing": None,
        "recording": None,
    }
    return Sighting(**(fields | changes))


def scan(*sightings: Sighting, **changes: Any) -> Scan:
    return Scan(clock=CLOCK, sightings=sightings, **changes)


class Taking:
    """An intake on a real journal, and the recordings that it found finished."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.finished: list[Recording] = []
        self.intake = Intake(journal=journal, on_finished=self.finished.append, now=lambda: NOW)

    async def take(self, *sightings: Sighting, **changes: Any) -> Recording:
        await self.intake.take(scan(*sightings, **changes))
        return self.journal.recordings()[-1]


@pytest.fixture
def taking(journal: Journal) -> Taking:
    return Taking(journal)


async def test_a_recording_belongs_to_the_session_that_announced_its_name(
    taking: Taking, a_session: Callable[..., Session]
) -> None:
    session = await taking.journal.admit(a_session("k-1"))
    recording = await taking.take(sighting())
    assert recording.session_id == session.id
    assert (recording.state, recording.lock_seen) == (RecordingState.GROWING, True)
    scale = taking.journal.clock_scale("boot-1")
    assert scale is not None
    assert scale.wall(CLOCK.monotonic_ms) == pytest.approx(NOW)


@pytest.mark.parametrize("name", ["rec-k-1.1", "rec-k-1.255"])
async def test_a_reconnect_belongs_to_the_same_session(
    taking: Taking, a_session: Callable[..., Session], name: str
) -> None:
    session = await taking.journal.admit(a_session("k-1"))
    recording = await taking.take(sighting(f"/rec/{name}"))
    assert recording.session_id == session.id


@pytest.mark.parametrize("name", ["rec-k-1.256", "rec-k-1.01", "rec-k-1.x"])
async def test_what_only_looks_like_a_reconnect_is_another_session(
    taking: Taking, a_session: Callable[..., Session], name: str
) -> None:
    session = await taking.journal.admit(a_session("k-1"))
    recording = await taking.take(sighting(f"/rec/{name}"))
    assert recording.session_id != session.id
    assert not taking.journal.owner(recording).announced


async def test_metadata_beside_a_recording_announces_it(taking: Taking, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"kasm_id": "k-9", "username": "ann", "image_id": 7}')
    recording = await taking.take(sighting(tmp_path / "x"))
    session = taking.journal.owner(recording)
    assert (session.kasm_id, session.username, session.announced) == ("k-9", "ann", True)


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"kasm_id": 5}', "\xff"])
async def test_metadata_that_makes_no_sense_leaves_the_recording_unannounced(
    taking: Taking, tmp_path: Path, text: str
) -> None:
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    recording = await taking.take(sighting(tmp_path / "x"))
    assert not taking.journal.owner(recording).announced


async def test_a_pipe_beside_a_recording_holds_up_nobody(taking: Taking, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    recording = await taking.take(sighting(tmp_path / "x"))
    assert not taking.journal.owner(recording).announced


async def test_names_and_metadata_need_not_be_text(taking: Taking, tmp_path: Path) -> None:
    name = os.fsdecode(b"x-\xff")
    first = await taking.take(sighting(tmp_path / name))
    assert Path(first.path).name == name
    (tmp_path / "y.json").write_text('{"kasm_id": "k-\\ud800", "username": "\\udfff"}')
    second = await taking.take(sighting(tmp_path / "y", identity=Identity(1, 8, 8, 4, "o")))
    assert taking.journal.owner(second).kasm_id == "k-\\ud800"


async def test_the_same_name_in_two_folders_is_two_sessions(taking: Taking) -> None:
    first = await taking.take(sighting("/rec/a/x"))
    second = await taking.take(sighting("/rec/b/x", identity=Identity(1, 9, 9, 4, "other")))
    assert first.session_id != second.session_id


async def test_a_finished_recording_is_handed_on_once(taking: Taking) -> None:
    recording = await taking.take(sighting())
    gone = sighting(
        recording=recording,
        locked=False,
        finished=Evidence.LOCK_GONE,
        ended_at=NOW,
        end_known=True,
    )
    await taking.take(gone)
    finished = await taking.take(replace(gone, recording=taking.journal.recordings()[0]))
    assert [found.id for found in taking.finished] == [recording.id]
    assert (finished.state, finished.ended_at, finished.end_known) == (
        RecordingState.FINISHED,
        NOW,
        True,
    )


async def test_a_finished_recording_that_grows_again_is_reopened(taking: Taking) -> None:
    recording = await taking.take(sighting())
    finished = await taking.journal.move_recording(recording.id, RecordingEvent.FINISH)
    again = await taking.take(sighting(recording=finished, grew_again=True))
    assert again.state is RecordingState.GROWING


async def test_a_recording_that_was_renamed_keeps_its_row(taking: Taking) -> None:
    recording = await taking.take(sighting())
    moved = await taking.take(sighting("/rec/elsewhere", recording=recording))
    assert (moved.id, moved.path) == (recording.id, "/rec/elsewhere")


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_recording_that_is_gone_before_it_was_cut_is_lost(
    taking: Taking, loss: Loss
) -> None:
    recording = await taking.take(sighting())
    lost = await taking.take(lost={recording.id: loss})
    assert lost.state is RecordingState.LOST


async def test_a_drained_recording_that_vanishes_is_left_to_retention(taking: Taking) -> None:
    recording = await taking.take(sighting())
    for event in (RecordingEvent.FINISH, RecordingEvent.DRAIN):
        await taking.journal.move_recording(recording.id, event)
    drained = await taking.take(lost={recording.id: Loss.VANISHED})
    assert drained.state is RecordingState.DRAINED


async def test_an_unusable_folder_is_told_and_loses_nothing(taking: Taking) -> None:
    await taking.take(sighting())
    growing = await taking.take(folder_error="it is not there")
    assert growing.state is RecordingState.GROWING
    assert taking.intake.folder_error == "it is not there"
    await taking.take()
    assert taking.intake.folder_error is None
