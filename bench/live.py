"""1,000 live recordings, 25 small writes a second each: what watching costs beside writing."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from kasm_recd.client import ask
from kasm_recd.errors import ControlRefused

RECORDINGS = 1000
WRITES_A_SECOND = 25
SECONDS = 30
START_S = 60.0
BEGINNING = b"4.size,1.0,4.1280,3.720;4.rect,1.0,1.0,1.0,1.9,1.9;4.sync,6.123456,1.0;"
MOVE = b"5.mouse,3.640,3.360,1.0,6.123456;"


def run() -> dict[str, Any]:
    """Prints and gives: share of a core, peak memory, and the ratio to the writer's own cost."""
    with tempfile.TemporaryDirectory(prefix="kasm-recd-bench-") as folder:
        found = _measure(Path(folder))
    print(f"live: {RECORDINGS} recordings, {WRITES_A_SECOND} writes a second each, {SECONDS} s")
    print(f"  daemon   {found['daemon_core']:.1%} of a core, {found['daemon_rss_mb']:.0f} MB RSS")
    print(f"  writer   {found['writer_core']:.1%} of a core, {found['writes']} writes")
    print(f"  daemon / writer {found['ratio']:.3f}")
    return found


def _measure(folder: Path) -> dict[str, Any]:
    recordings = folder / "recordings"
    recordings.mkdir()
    descriptors = [_open(recordings / f"live-{number}") for number in range(RECORDINGS)]
    settings = {
        "RECORDING_DIR": recordings,
        "SPOOL_DIR": folder / "spool",
        "SESSION_RECORDING_UPLOAD_LOCATION": f"file://{folder}/clips/{{kasm_id}}.mp4",
    }
    socket = folder / "admission.sock"
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [
                *(sys.executable, "-m", "kasm_recd", "run"),
                *("--config", "", "--socket", str(socket)),
            ],
            env=os.environ | {f"KASM_RECD_{key}": str(value) for key, value in settings.items()},
            stdout=log,
        )
    try:
        _wait_for_all(socket)
        return _watch(psutil.Process(daemon.pid), descriptors)
    finally:
        daemon.terminate()
        daemon.wait()


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, BEGINNING)
    return descriptor


def _wait_for_all(socket: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if ask(socket, "GET", "/v1/status")[1].get("recordings_open") == RECORDINGS:
                return
        except ControlRefused:
            pass
        time.sleep(0.2)
    raise SystemExit("bench live: the daemon did not see all recordings in time")


def _watch(daemon: psutil.Process, descriptors: list[int]) -> dict[str, Any]:
    before, own_before, began = daemon.cpu_times(), time.process_time(), time.monotonic()
    writes, peak = 0, 0
    for tick in range(SECONDS * WRITES_A_SECOND):
        for descriptor in descriptors:
            os.write(descriptor, MOVE)
        writes += len(descriptors)
        peak = max(peak, daemon.memory_info().rss)
        time.sleep(max(0.0, began + (tick + 1) / WRITES_A_SECOND - time.monotonic()))
    took = time.monotonic() - began
    after = daemon.cpu_times()
    cost = after.user + after.system - before.user - before.system
    own = time.process_time() - own_before
    return {
        "seconds": took,
        "writes": writes,
        "daemon_core": cost / took,
        "daemon_rss_mb": peak / 1e6,
        "writer_core": own / took,
        "ratio": cost / own,
    }
