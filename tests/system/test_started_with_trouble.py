"""Bad settings, a corrupt journal, a second daemon: the daemon stays up, or says why it cannot."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fixtures_daemon import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter

STANDINS = Path(__file__).parents[1] / "standins"


def reason(daemon: DaemonProcess) -> str:
    """Why the daemon refuses a recorded session now; empty where it allows."""
    status, answer = daemon.admit("k-probe")
    return "" if status == 200 else str(answer["reason"])


def test_invalid_settings_refuse_recorded_sessions_until_a_reload_mends_them(
    make_daemon: Callable[..., DaemonProcess], tmp_path: Path
) -> None:
    config = tmp_path / "kasm-recd.toml"
    config.write_text("session_recording_framerate = 0\n")
    daemon = make_daemon()
    daemon.config = config
    daemon.start(wait=False)
    wait_until(lambda: daemon.socket.exists() and daemon.events("settings.invalid"), "it answers")
    status, answer = daemon.admit("k-1")
    assert (status, answer["reason"]) == (403, "settings_invalid")
    assert "session_recording_framerate" in answer["message"]
    assert daemon.admit("k-1", record_sessions=False)[0] == 200

    config.write_text("session_recording_framerate = 5\n")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_healthy()
    assert reason(daemon) == ""


def test_a_reload_to_invalid_settings_refuses_new_sessions_and_finishes_old_ones(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    config = tmp_path / "kasm-recd.toml"
    config.write_text("")
    daemon = make_daemon()
    daemon.config = config
    daemon.start()
    name = daemon.allowed_name("k-1")
    config.write_text("framerat = 1\n")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: reason(daemon) == "settings_invalid", "new sessions are refused")
    guacd_writer(recordings("vnc-idle.guac"), daemon.recordings / name).wait_written()
    wait_until(lambda: daemon.events("clip.stored"), "the last good settings finish the work")


def test_a_reload_outlives_a_journal_that_takes_its_time_to_close(
    make_daemon: Callable[..., DaemonProcess],
) -> None:
    daemon = make_daemon()
    daemon.program = (str(STANDINS / "faulty_daemon.py"),)
    daemon.faults = {"KASM_RECD_TEST_SLOW_CLOSE": "0.5"}
    process = daemon.start().process
    assert process is not None
    process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: len(daemon.events("daemon.recovered")) == 2 or process.poll() is not None,
        "the recorder is made anew",
    )
    daemon.wait_healthy()
    assert len(daemon.events("daemon.started")) == 1


def test_a_corrupt_journal_refuses_until_it_is_rebuilt(
    make_daemon: Callable[..., DaemonProcess],
) -> None:
    daemon = make_daemon()
    daemon.spool.mkdir(mode=0o700)
    (daemon.spool / "journal.sqlite3").write_bytes(b"this is no journal" * 100)
    daemon.start(wait=False)
    wait_until(lambda: daemon.events("journal.corrupt"), "it is noticed")
    status, answer = daemon.admit("k-1")
    assert (status, answer["reason"]) == (403, "journal_corrupt")
    assert "journal rebuild" in answer["message"]


def test_a_second_daemon_on_the_same_spool_ends_with_a_clear_word(
    make_daemon: Callable[..., DaemonProcess],
) -> None:
    first = make_daemon("first").start()
    second = make_daemon("second", spool_dir=first.spool)
    second.start(wait=False)
    assert second.process is not None
    assert second.process.wait(20) == 1
    assert first.process is not None
    assert f"{first.process.pid}" in second.log.read_text()
    assert first.admit("k-1")[0] == 200


def test_a_recording_folder_that_goes_away_refuses_and_comes_back(
    make_daemon: Callable[..., DaemonProcess],
) -> None:
    daemon = make_daemon().start()
    daemon.recordings.rmdir()
    wait_until(lambda: reason(daemon) == "recording_dir_unusable", "it is noticed")
    daemon.recordings.mkdir()
    wait_until(lambda: reason(daemon) == "", "it is noticed too")
