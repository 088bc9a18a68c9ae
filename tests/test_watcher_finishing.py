"""Recordings from their first byte to their end, with real locks and leases."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk
from kasm_recd.states import RecordingState
from kasm_recd.watcher import Evidence
from tests.fixtures_guacd import TINY, GuacdWriter
from tests.fixtures_watcher import QUIET_S, UNSEEN_S, Lookout

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[..., GuacdWriter]


@pytest.fixture
def start(guacd_writer: Start, tiny_recording: Path, lookout: Lookout) -> Start:
    """``start(*options)`` starts a writer of ``session`` that waits for commands."""
    return lambda *options: guacd_writer(
        tiny_recording, lookout.folder / "session", "--on-command", *options
    )


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases tell nothing, as over NFS or where the file is somebody else's."""
    monkeypatch.setattr(disk, "is_open_for_writing", lambda _: None)


def test_an_empty_file_is_watched_but_is_no_recording_yet(lookout: Lookout, start: Start) -> None:
    writer = start()
    assert lookout.scan().sightings == ()

    writer.write(200)
    seen = lookout.only()

    assert (seen.path, seen.size, seen.recording) == (writer.path, 200, None)
    assert seen.identity == disk.identify(writer.path)


def test_a_recording_is_growing_while_it_is_locked(lookout: Lookout, start: Start) -> None:
    writer = start()
    writer.write(20_000)
    lookout.pass_time(10 * UNSEEN_S)  # an idle session writes nothing for as long as it likes

    for _ in range(3):
        seen = lookout.only()
        lookout.pass_time(10 * UNSEEN_S)

    assert (seen.locked, seen.lock_pid, seen.lock_seen) == (True, writer.pid, True)
    assert seen.finished is None
    assert seen.open_for_writing is None


def test_a_lock_that_goes_is_noticed_by_the_next_scan(lookout: Lookout, start: Start) -> None:
    writer = start()
    writer.write(500)
    assert lookout.only().finished is None

    writer.close()
    seen = lookout.only()

    assert seen.finished is Evidence.LOCK_GONE
    assert seen.open_for_writing is None, "a lease is asked for only where no lock was ever seen"
    assert seen.end_known
    assert seen.ended_at == seen.at
    assert lookout.only().ended_at == seen.ended_at, "the end stays where it was"


def test_a_killed_writer_leaves_a_finished_recording(lookout: Lookout, start: Start) -> None:
    writer = start()
    writer.write(500)
    lookout.scan()
    writer.kill()
    assert lookout.only().finished is Evidence.LOCK_GONE


def test_a_close_that_was_seen_dates_the_end(lookout: Lookout, start: Start) -> None:
    writer = start()
    writer.write(500)
    lookout.scan()
    before = time.time()
    writer.close()
    seen = lookout.only(writer.path)

    assert seen.end_known
    assert seen.ended_at is not None
    assert before <= seen.ended_at < seen.at


def test_a_lock_that_the_journal_remembers_counts_after_a_restart(
    lookout: Lookout, start: Start
) -> None:
    writer = start()
    writer.write(500)
    lookout.note(lookout.only())
    writer.close()
    lookout.restart()

    seen = lookout.only()

    assert seen.finished is Evidence.LOCK_GONE
    assert (seen.end_known, seen.ended_at) == (False, seen.mtime), "nobody saw the end"


def test_without_any_lock_the_lease_decides(lookout: Lookout, start: Start) -> None:
    writer = start("--no-lock")
    writer.write(500)
    seen = lookout.only()
    assert (seen.finished, seen.open_for_writing, seen.lock_seen) == (None, True, False)

    writer.close()
    seen = lookout.only()
    assert (seen.finished, seen.open_for_writing) == (Evidence.NOT_OPEN, False)
    assert not seen.end_known


def test_a_session_between_two_scans_is_finished_at_first_sight(
    lookout: Lookout, start: Start
) -> None:
    writer = start()
    writer.write(500)
    writer.close()
    seen = lookout.only(writer.path)
    assert (seen.finished, seen.lock_seen, seen.end_known) == (Evidence.NOT_OPEN, False, True)


@pytest.mark.usefixtures("blind")
def test_where_nothing_can_be_known_a_close_and_silence_are_the_end(
    lookout: Lookout, start: Start
) -> None:
    writer = start("--no-lock")
    writer.write(500)
    assert lookout.only().finished is None
    writer.close()
    assert lookout.only(writer.path).finished is None

    lookout.pass_time(QUIET_S)
    seen = lookout.only()

    assert seen.finished is Evidence.CLOSED_AND_QUIET
    assert seen.end_known
    assert seen.ended_at is not None
    assert seen.ended_at < seen.at - QUIET_S + 1


@pytest.mark.usefixtures("blind")
def test_growth_after_a_close_takes_the_close_back(lookout: Lookout, start: Start) -> None:
    writer = start("--no-lock")
    writer.write(500)
    lookout.scan(writer.path)  # somebody else closed it
    writer.write(500)
    lookout.scan()

    lookout.pass_time(UNSEEN_S - 1)
    assert lookout.only().finished is None
    lookout.pass_time(1)
    assert lookout.only().finished is Evidence.QUIET_UNSEEN


@pytest.mark.usefixtures("blind")
def test_growth_that_came_before_the_close_does_not(lookout: Lookout, start: Start) -> None:
    writer = start("--no-lock")
    writer.write(500)
    lookout.scan()
    writer.write(500)
    writer.close()
    lookout.scan(writer.path)  # growth and close are found by the same scan

    lookout.pass_time(QUIET_S)
    assert lookout.only().finished is Evidence.CLOSED_AND_QUIET


@pytest.mark.usefixtures("blind")
def test_growth_starts_the_silence_anew(lookout: Lookout, start: Start) -> None:
    writer = start("--no-lock")
    writer.write(500)
    lookout.scan()
    lookout.pass_time(QUIET_S - 1)
    writer.write(1)
    writer.close()
    lookout.scan(writer.path)
    lookout.pass_time(QUIET_S - 1)
    assert lookout.only().finished is None


@pytest.mark.usefixtures("blind")
def test_a_file_from_before_the_watch_must_be_quiet_for_very_long(lookout: Lookout) -> None:
    (lookout.folder / "old").write_bytes(TINY)
    assert lookout.only().finished is None
    lookout.pass_time(UNSEEN_S - 1)
    assert lookout.only().finished is None
    lookout.pass_time(1)
    seen = lookout.only()
    assert (seen.finished, seen.end_known) == (Evidence.QUIET_UNSEEN, False)


@pytest.mark.usefixtures("blind")
def test_an_old_modification_time_proves_nothing(lookout: Lookout, start: Start) -> None:
    writer = start("--no-lock")
    writer.write(500)
    lookout.scan(writer.path)
    os.utime(writer.path, (1, 1))
    assert lookout.only().finished is None


@pytest.mark.parametrize("state", [RecordingState.FINISHED, RecordingState.DRAINED])
def test_a_finished_recording_that_is_locked_again_is_reopened(
    lookout: Lookout, start: Start, state: RecordingState
) -> None:
    writer = start()
    size = writer.write(500)
    lookout.scan()
    writer.close()
    lookout.note(lookout.only(), state=state, consumed=size)
    assert not lookout.only().grew_again

    writer.reopen()
    seen = lookout.only()

    assert seen.grew_again
    assert seen.finished is None


def test_a_drained_recording_that_grew_is_reopened_even_by_a_new_daemon(
    lookout: Lookout, start: Start
) -> None:
    writer = start()
    size = writer.write(500)
    lookout.scan()
    writer.close()
    lookout.note(lookout.only(), state=RecordingState.DRAINED, consumed=size)
    with writer.path.open("ab") as file:
        file.write(b"more")
    lookout.restart()

    seen = lookout.only()

    assert seen.grew_again
    assert seen.finished is Evidence.LOCK_GONE, "and finished anew, for the journal to say so"


@pytest.mark.usefixtures("blind")
def test_a_finished_recording_that_grows_without_a_lock_is_reopened(
    lookout: Lookout, start: Start
) -> None:
    writer = start("--no-lock")
    writer.write(500)
    lookout.scan()
    lookout.pass_time(UNSEEN_S)
    seen = lookout.only()
    assert seen.finished
    lookout.note(seen, state=RecordingState.FINISHED)
    assert not lookout.only().grew_again

    writer.write(1)
    assert lookout.only().grew_again


@pytest.mark.usefixtures("blind")
def test_a_restart_alone_does_not_reopen_a_finished_recording(lookout: Lookout) -> None:
    (lookout.folder / "old").write_bytes(TINY)
    lookout.note(lookout.only(), state=RecordingState.FINISHED)
    lookout.restart()
    seen = lookout.only()
    assert (seen.finished, seen.grew_again) == (None, False)
