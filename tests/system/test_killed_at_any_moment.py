"""kill -9, of the daemon and of its workers, at random moments while recordings go through."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.fixtures_daemon import swift_settings, wait_until
from tests.values import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter
    from tests.swift_server import SwiftServer

KILLS = 50
NAMES = (
    "reconnect.guac",
    "reconnect.guac.1",
    "rdp-failed-login.guac",
    "ssh-idle.guac",
    "abrupt-midins.guac",
) * 2


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_segment_is_stored_exactly_once_and_nothing_is_left(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    swift: SwiftServer,
    swift_bucket: str,
) -> None:
    seed = int(os.environ.get("KASM_RECD_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}: repeat with KASM_RECD_TEST_SEED={seed}")
    chance = random.Random(seed)
    settings = swift_settings(swift, swift_bucket) | {"encoder": "native", "raw_upload": "always"}
    daemon = make_daemon(**settings).start()
    waiting = list(enumerate(NAMES))
    ours: set[int] = set()

    for number in range(KILLS):
        if number % (KILLS // len(NAMES)) == 0 and waiting:
            index, name = waiting.pop(0)
            daemon.wait_healthy()
            wished = f"chaos-{index}"
            assert daemon.admit(f"k-{index}", recording_name=wished)[0] == 200
            guacd_writer(recordings(name), daemon.recordings / wished, "--pause", "0.02")
        ours |= kill_something(daemon, chance)
    daemon.wait_healthy()
    stored = lambda: len(manifests(swift, swift_bucket)) == len(NAMES)  # noqa: E731
    wait_until(stored, "every segment is stored", deadline_s=120)
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "nothing is left at work")

    objects = swift.contents(swift_bucket)
    named = {f"clips/demo/k-{index}.0000.json" for index in range(len(NAMES))}
    for key, manifest in manifests(swift, swift_bucket).items():
        index = int(manifest["session"]["kasm_id"].removeprefix("k-"))
        source = recordings(NAMES[index]).read_bytes()
        assert objects[f"clips/demo/k-{index}.0000.guac"] == source
        assert manifest["segment"]["sha256"] == hashlib.sha256(source).hexdigest()
        for artifact in manifest["artifacts"]:
            stored_key = key.removesuffix(".json") + SUFFIXES[artifact["role"]]
            assert hashlib.sha256(objects[stored_key]).hexdigest() == artifact["sha256"]
            named.add(stored_key)
    assert set(objects) == named, "nothing is stored twice, or under another name"
    assert not list(daemon.recordings.iterdir())
    assert not daemon.workers()
    daemon.kill()
    wait_until(lambda: not any(map(is_ours, ours)), "no worker outlives its daemon")


def kill_something(daemon: DaemonProcess, chance: random.Random) -> set[int]:
    """Ends the daemon or one worker after a random time; the pids of workers that were seen."""
    if daemon.process is None or daemon.process.poll() is not None:
        daemon.start(wait=False)
    # From the first import to well into uploads: what is hit is up to chance.
    moment = time.monotonic() + chance.uniform(0.1, 2.5)
    seen: set[int] = set()
    while time.monotonic() < moment:
        seen |= {child.pid for child in daemon.children()}
        time.sleep(0.02)
    workers = daemon.children()
    if workers and chance.random() < 0.4:
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(workers).kill()
    else:
        daemon.kill()
        daemon.start(wait=False)
    return seen


def manifests(swift: SwiftServer, bucket: str) -> dict[str, dict[str, Any]]:
    return {
        key: json.loads(body)
        for key, body in swift.contents(bucket).items()
        if key.endswith(".json") and ".seek/" not in key
    }


def is_ours(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return "kasm_recd.workers" in " ".join(psutil.Process(pid).cmdline())
    return False
