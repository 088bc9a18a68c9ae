"""Which recording a file is, through renames, reuse, damage and restarts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk
from kasm_recd.states import RecordingState
from kasm_recd.watcher import Evidence, Loss
from kasm_recd.watcher.walk import Walk
from tests.fixtures_guacd import TINY, GuacdWriter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures_watcher import Lookout

Start = Callable[..., GuacdWriter]
OTHER = b"4.size,1.0,3.800,3.600;4.sync,6.654321;"


def test_a_renamed_recording_is_the_same_under_a_new_path(
    lookout: Lookout, guacd_writer: Start, tiny_recording: Path
) -> None:
    writer = guacd_writer(tiny_recording, lookout.folder / "old", "--on-command")
    writer.write(500)
    recording = lookout.note(lookout.only())
    (lookout.folder / "sub").mkdir()
    new = writer.path.rename(lookout.folder / "sub" / "new")
    writer.write(500)

    scan = lookout.scan()

    (seen,) = scan.sightings
    assert (seen.path, seen.recording, seen.size) == (new, recording, 1000)
    assert seen.locked
    assert scan.lost == {}


def test_a_recording_met_under_two_names_in_one_scan_is_one(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lookout.folder / "old"
    path.write_bytes(TINY)

    def files(_: Walk) -> list[Path]:
        def renamed_on_the_way() -> object:
            yield path
            yield path.rename(lookout.folder / "new")

        return renamed_on_the_way()  # type: ignore[return-value]

    monkeypatch.setattr(Walk, "files", files)
    assert lookout.only().path == path


def test_a_short_head_is_hashed_again_when_there_is_more(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY)
    first = lookout.only().identity
    assert first.head_length == len(TINY)

    with path.open("ab") as file:
        file.write(TINY * 100)
    second = lookout.only().identity

    assert second.head_length == 4096
    assert second == disk.identify(path)
    with path.open("ab") as file:
        file.write(TINY * 100)
    assert lookout.only().identity == second


@pytest.mark.parametrize("restarted", [False, True])
def test_a_recording_that_shrank_is_lost_and_what_is_left_is_new(
    lookout: Lookout, *, restarted: bool
) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY * 100)
    recording = lookout.note(lookout.only(), consumed=len(TINY * 100))
    os.truncate(path, len(TINY))
    if restarted:
        lookout.restart()

    scan = lookout.scan()

    assert scan.lost == {recording.id: Loss.SHRUNK}
    assert [(each.recording, each.size) for each in scan.sightings] == [(None, len(TINY))]


def test_what_was_seen_but_not_yet_consumed_may_not_shrink_either(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY * 100)
    recording = lookout.note(lookout.only(), consumed=0)
    os.truncate(path, 0)

    scan = lookout.scan()

    assert (scan.lost, scan.sightings) == ({recording.id: Loss.SHRUNK}, ())


@pytest.fixture
def other_recording(tmp_path: Path) -> Path:
    path = tmp_path / "other"
    path.write_bytes(OTHER)
    return path


@pytest.mark.parametrize("restarted", [False, True])
def test_a_file_overwritten_in_place_is_another_recording(
    lookout: Lookout, guacd_writer: Start, other_recording: Path, *, restarted: bool
) -> None:
    """As ``recording-write-existing`` does it: from byte 0, and the old tail stays."""
    path = lookout.folder / "session"
    path.write_bytes(TINY * 200)
    recording = lookout.note(lookout.only(), state=RecordingState.FINISHED)
    if restarted:
        lookout.restart()
    writer = guacd_writer(other_recording, path, "--on-command", "--write-existing")
    writer.write(len(OTHER))

    scan = lookout.scan()

    assert scan.lost == {recording.id: Loss.REPLACED}
    assert [(each.recording, each.locked) for each in scan.sightings] == [(None, True)]
    assert scan.sightings[0].overwritten == len(TINY * 200)


def test_overwriting_after_the_lock_was_seen_is_noticed_when_the_lock_goes(
    lookout: Lookout, guacd_writer: Start, other_recording: Path
) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY * 200)
    recording = lookout.note(lookout.only(), state=RecordingState.FINISHED)
    writer = guacd_writer(other_recording, path, "--on-command", "--write-existing")
    assert lookout.only().grew_again
    lookout.change(recording, state=RecordingState.GROWING)

    writer.write(len(OTHER))
    writer.close()
    scan = lookout.scan()

    assert scan.lost == {recording.id: Loss.REPLACED}
    assert scan.sightings[0].finished


@pytest.mark.parametrize("options", [(), ("--no-lock",)], ids=["locked", "unlocked"])
def test_a_live_recording_overwritten_while_its_head_is_short_is_another(
    lookout: Lookout, guacd_writer: Start, tiny_recording: Path, options: tuple[str, ...]
) -> None:
    writer = guacd_writer(tiny_recording, lookout.folder / "session", "--on-command", *options)
    writer.write(100)
    recording = lookout.note(lookout.only())
    with writer.path.open("r+b") as file:
        file.write(OTHER)
    writer.write(100)
    assert lookout.scan().lost == {recording.id: Loss.REPLACED}


def test_a_short_head_is_compared_in_its_length_after_a_restart(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY)
    recording = lookout.note(lookout.only())
    path.write_bytes(OTHER * 100)
    lookout.restart()
    assert lookout.scan().lost == {recording.id: Loss.REPLACED}


def test_an_unlocked_file_overwritten_while_it_is_open_is_another_recording(
    lookout: Lookout, guacd_writer: Start, tiny_recording: Path
) -> None:
    writer = guacd_writer(tiny_recording, lookout.folder / "session", "--on-command", "--no-lock")
    writer.write(10_000)
    recording = lookout.note(lookout.only())
    with writer.path.open("r+b") as file:
        file.write(OTHER)
    assert lookout.scan().lost == {recording.id: Loss.REPLACED}


def test_an_inode_that_comes_back_is_another_recording(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY)
    recording = lookout.note(lookout.only())
    path.unlink()
    time.sleep(0.02)  # birth times are as coarse as the kernel's tick
    path.write_bytes(TINY)

    scan = lookout.scan()

    assert [each.recording for each in scan.sightings] == [None]
    assert lookout.scan().lost == {recording.id: Loss.VANISHED}


def test_a_recording_that_is_gone_for_two_scans_vanished(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY)
    recording = lookout.note(lookout.only())
    path.unlink()

    assert lookout.scan().lost == {}, "a scan may miss a file that is being moved"
    assert lookout.scan().lost == {recording.id: Loss.VANISHED}


def test_a_recording_that_was_missed_once_keeps_what_was_known(
    lookout: Lookout, guacd_writer: Start, tiny_recording: Path
) -> None:
    writer = guacd_writer(tiny_recording, lookout.folder / "session", "--on-command")
    writer.write(500)
    lookout.note(lookout.only(), lock_seen=False)
    away = writer.path.rename(lookout.folder.parent / "away")
    lookout.scan()
    writer.close()
    away.rename(writer.path)

    scan = lookout.scan()

    assert scan.lost == {}
    assert scan.sightings[0].finished is Evidence.LOCK_GONE
    writer.path.unlink()
    assert lookout.scan().lost == {}, "counting begins anew"


def test_a_drained_recording_may_go(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY)
    recording = lookout.note(lookout.only(), state=RecordingState.DRAINED, consumed=len(TINY))
    disk.leave(path, recording.id)

    for _ in range(3):
        scan = lookout.scan()
        assert (scan.sightings, scan.lost) == ((), {})


def test_a_file_system_that_is_not_mounted_loses_nothing(lookout: Lookout) -> None:
    (lookout.folder / "session").write_bytes(TINY)
    seen = lookout.only()
    elsewhere = replace(seen.identity, device=seen.identity.device + 1, inode=1, birth_ns=1)
    lookout.note(seen, identity=elsewhere)

    for _ in range(3):
        assert lookout.scan().lost == {}


def test_a_device_number_that_changed_at_a_restart_is_no_new_recording(lookout: Lookout) -> None:
    (lookout.folder / "session").write_bytes(TINY)
    seen = lookout.only()
    before = replace(seen.identity, device=seen.identity.device + 1)
    recording = lookout.note(seen, identity=before)
    lookout.restart()

    scan = lookout.scan()

    assert scan.lost == {}
    assert scan.sightings[0].recording == recording
    assert scan.sightings[0].identity == seen.identity, "with the device it has now"


def test_without_birth_times_an_inode_of_another_device_is_another_file(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = disk.status_of
    monkeypatch.setattr(disk, "status_of", lambda file: replace(real(file), birth_ns=0))
    path = lookout.folder / "session"
    path.write_bytes(TINY)
    seen = lookout.only()
    identity = replace(seen.identity, birth_ns=0)
    lookout.note(seen, identity=replace(identity, device=identity.device + 1))
    assert lookout.only().recording is None


def test_of_two_recordings_that_claim_a_file_the_later_has_it(lookout: Lookout) -> None:
    (lookout.folder / "session").write_bytes(TINY)
    seen = lookout.only()
    earlier = lookout.note(seen, id=1)
    later = lookout.note(seen, id=2)

    scan = lookout.scan()

    assert scan.sightings[0].recording == later
    assert scan.lost == {earlier.id: Loss.REPLACED}


def test_files_moved_in_are_seen_and_files_moved_out_vanish(lookout: Lookout) -> None:
    outside = lookout.folder.parent / "session"
    outside.write_bytes(TINY)
    inside = outside.rename(lookout.folder / "session")
    recording = lookout.note(lookout.only())
    assert recording.path == str(inside)

    inside.rename(outside)
    lookout.scan()
    assert lookout.scan().lost == {recording.id: Loss.VANISHED}


def test_a_reconnect_is_a_recording_of_its_own(
    lookout: Lookout, guacd_writer: Start, tiny_recording: Path
) -> None:
    writers = [
        guacd_writer(tiny_recording, lookout.folder / "session", "--on-command") for _ in range(3)
    ]
    for writer in writers:
        writer.write(500)
    seen = lookout.scan().sightings
    assert {each.path.name for each in seen} == {"session", "session.1", "session.2"}
    assert {each.lock_pid for each in seen} == {writer.pid for writer in writers}


def test_a_thousand_live_recordings_are_all_seen(
    lookout: Lookout, guacd_writer: Start, tiny_recording: Path
) -> None:
    for number in range(999):
        (lookout.folder / f"session-{number}").write_bytes(TINY)
    live = guacd_writer(tiny_recording, lookout.folder / "live", "--on-command")
    live.write(500)
    for seen in lookout.scan().sightings:
        lookout.note(seen)
    live.close()

    scan = lookout.scan()

    assert len(scan.sightings) == 1000
    assert scan.lost == {}
    assert {each.recording.path for each in scan.sightings if each.recording} == {
        str(each.path) for each in scan.sightings
    }
    (ended,) = [each for each in scan.sightings if each.path == live.path]
    assert ended.finished is Evidence.LOCK_GONE
