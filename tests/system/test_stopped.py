"""Stopping is crashing politely: within seconds, whatever is under way."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil

from tests.fixtures_daemon import play, swift_settings, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter
    from tests.swift_server import SwiftServer


def test_sigterm_ends_encodes_and_the_next_start_takes_them_up(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
) -> None:
    daemon = make_daemon(session_recording_framerate=25).start()
    play(daemon, guacd_writer, recordings("ssh-work.guac"))
    wait_until(lambda: daemon.status()["queues"]["encode"]["busy"], "it is being encoded")
    children = wait_until(daemon.workers, "a worker runs")
    assert daemon.stop() == 0
    assert not [child for child in children if child.is_running()]
    daemon.start()
    wait_until(lambda: daemon.events("clip.stored"), "the next start finishes it", deadline_s=180)
    assert daemon.idle()


def test_sigterm_does_not_wait_for_a_store_that_hangs(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    swift: SwiftServer,
    swift_bucket: str,
) -> None:
    settings = swift_settings(swift, swift_bucket) | {"upload_read_timeout": "10m"}
    daemon = make_daemon(**settings).start()
    swift.pause()
    play(daemon, guacd_writer, recordings("vnc-idle.guac"))
    wait_until(lambda: is_talking_to(daemon, swift), "the store has its request")
    assert daemon.stop() == 0
    assert daemon.events("daemon.threads_left")
    swift.resume()
    daemon.start()
    wait_until(lambda: daemon.events("clip.stored"), "the next start stores it")


def test_drain_refuses_new_sessions_and_ends_when_all_is_stored(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
) -> None:
    daemon = make_daemon().start()
    name = daemon.allowed_name("k-1")
    writer = guacd_writer(recordings("vnc-idle.guac"), daemon.recordings / name, "--hold")
    writer.wait_written()
    wait_until(lambda: daemon.events("recording.appeared"), "the recording is seen")
    drain = subprocess.Popen(
        [sys.executable, "-m", "kasm_recd", "drain", "--socket", str(daemon.socket)],
        cwd=daemon.folder,
        stdout=subprocess.PIPE,
    )
    wait_until(lambda: daemon.admit("k-2")[1].get("reason") == "draining", "it refuses")
    assert drain.poll() is None, "a session still runs"
    writer.close()
    assert b"drained" in drain.communicate(timeout=60)[0]
    assert drain.returncode == 0
    manifest = json.loads((daemon.folder / "clips" / "k-1.0000.json").read_bytes())
    assert manifest["form"] == "clip"


def is_talking_to(daemon: DaemonProcess, swift: SwiftServer) -> bool:
    assert daemon.process is not None
    ports = {
        each.raddr.port
        for each in psutil.Process(daemon.process.pid).net_connections()
        if each.raddr
    }
    return int(swift.endpoint.rpartition(":")[2]) in ports
