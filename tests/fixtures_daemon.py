"""A real daemon process on temporary folders, for tests that look at it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest

from kasm_recd.client import ask
from kasm_recd.errors import ControlRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures_guacd import GuacdWriter
    from tests.swift_server import SwiftServer

START_S = 30.0


def wait_until(condition: Callable[[], Any], what: str, *, deadline_s: float = 60.0) -> Any:
    """The condition's first true value; fails the test with ``what`` when there is none in time."""
    deadline = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not in {deadline_s:g} s: {what}")
        time.sleep(0.05)


class DaemonProcess:
    """``kasm-recd run`` with settings from the environment; its log is read as JSON lines."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.recordings = folder / "recordings"
        self.spool = folder / "spool"
        self.socket = folder / "admission.sock"
        self.log = folder / "daemon.log"
        self.recordings.mkdir(parents=True, exist_ok=True)
        self.settings: dict[str, object] = {
            "recording_dir": self.recordings,
            "spool_dir": self.spool,
            "scan_interval": "0.2",
            "session_recording_upload_location": f"file://{folder}/clips/{{kasm_id}}.mp4",
            "min_free": "1MB",
            "session_reserve": 0,  # a test's disk may be small, and is its own
            "ballast_size": 0,  # pytest keeps what a test leaves
            "appear_within": "2m",  # longer than any test
            "session_recording_guac_disk_limit": "1.0",
            **settings,
        }
        self.config: Path | str = ""
        self.program: tuple[str, ...] = ("-m", "kasm_recd")
        self.faults: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> Self:
        """Starts the daemon and waits until its socket answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, *self.program, "run"),
                    *("--config", str(self.config), "--socket", str(self.socket)),
                ],
                cwd=self.folder,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if wait:
            self.wait_healthy()
        return self

    def environment(self) -> dict[str, str]:
        """The daemon's environment: its settings, and none that this machine may have."""
        foreign = {k: v for k, v in os.environ.items() if not k.startswith("KASM_RECD_")}
        own = {f"KASM_RECD_{k.upper()}": str(value) for k, value in self.settings.items()}
        return foreign | own | self.faults

    def wait_healthy(self) -> None:
        def healthy() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                pytest.fail(f"the daemon ended: {self.log.read_text()[-3000:]}")
            try:
                return bool(self.ask("GET", "/v1/health")[0] == 200)
            except ControlRefused:
                return False

        wait_until(healthy, "the daemon is healthy", deadline_s=START_S)

    def ask(self, method: str, target: str, body: dict[str, Any] | None = None) -> Any:
        """One request over the socket: (status, answer)."""
        return ask(self.socket, method, target, body)

    def admit(self, kasm_id: str, **fields: object) -> tuple[int, dict[str, Any]]:
        """Asks for a recorded session, as the broker does."""
        body = {
            "kasm_id": kasm_id,
            "user_id": "u-1",
            "username": "demo",
            "image_id": "i-1",
            "image_friendly_name": "Terminal",
            "created_timestamp": "2026-01-01T00:00:00Z",
            "start_timestamp": "2026-01-01T00:00:05Z",
            "record_sessions": True,
            "staged": False,
            **fields,
        }
        status, answer = self.ask("POST", "/v1/admission", body)
        return status, answer

    def allowed_name(self, kasm_id: str) -> str:
        """Asks as :meth:`admit` for a session that has to be allowed: the name of its recording."""
        status, answer = self.admit(kasm_id)
        assert status == 200, answer
        return str(answer["recording_name"])

    def status(self) -> dict[str, Any]:
        """What ``kasm-recd status`` shows."""
        found: dict[str, Any] = self.ask("GET", "/v1/status")[1]
        return found

    def workers(self) -> list[psutil.Process]:
        """The daemon's workers, now."""
        return [child for child in self.children() if child.name() != "fork_server"]

    def children(self) -> list[psutil.Process]:
        """The daemon's workers, now, and the process that they are forked from."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def kill(self) -> None:
        """SIGKILL, and the wait for the corpse."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The log so far, or its lines of one event."""
        found = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and name in ("", event.get("event")):
                    found.append(event)
        return found

    def spool_is_empty(self) -> bool:
        """Whether nothing of any segment or attempt is left."""
        folders = (self.spool / "segments", self.spool / "attempts")
        return not any(any(folder.iterdir()) for folder in folders)

    def idle(self) -> bool:
        """Whether every recording is gone and every segment is stored."""
        with contextlib.suppress(ControlRefused):
            found = self.status()
            if "bytes_at_risk" not in found:
                return False
            at_work = sum(queue["busy"] + queue["waiting"] for queue in found["queues"].values())
            left = (found["recordings_open"], found["bytes_at_risk"], at_work)
            return left == (0, 0, 0) and not found["pressure"]["clips_owed"]
        return False


def play(
    daemon: DaemonProcess,
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
    kasm_id: str = "k-1",
) -> None:
    """A session from its first question to its end; ``source`` is what guacd writes of it."""
    path = daemon.recordings / daemon.allowed_name(kasm_id)
    guacd_writer(source, path).wait_written()


def swift_settings(swift: SwiftServer, bucket: str) -> dict[str, object]:
    """The settings of a daemon that uploads to a bucket of the test's own Swift."""
    destination = swift.destination(bucket)
    return {
        "session_recording_upload_location": f"{destination}/clips/{{username}}/{{kasm_id}}.mp4",
        "storage_scheme": "http",
        "recording_object_storage_key": swift.key,
        "recording_object_storage_secret": swift.secret,
        "upload_connect_timeout": "2s",
        "upload_read_timeout": "5s",
        "retry_max": "3s",
    }


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., DaemonProcess]]:
    """Makes daemons (not started) and ends them after the test."""
    made: list[DaemonProcess] = []

    def make(name: str = "daemon", **settings: object) -> DaemonProcess:
        folder = tmp_path / name
        folder.mkdir()
        made.append(DaemonProcess(folder, **settings))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
