"""A real guacd writes, and is rolled while it does; nobody in the session may notice."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk
from kasm_recd.guacamole.instructions import Instruction, read
from kasm_recd.probe import probe
from tests.fixtures_daemon import wait_until
from tests.guacamole_client import GuacamoleClient
from tests.rolling import MB, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_live_guacd import LiveGuacd

SCAN_S = 0.2
SEGMENT = MB
SEGMENTS = 4
FRAME_MS = 1_000
SIZE = (1024, 768)
#: A session that stands still for so long has stalled; guacd itself gives up after 15 s.
STALL_S = 5.0
SCROLLING = "while :; do cat /proc/uptime /proc/loadavg; sleep 0.01; done"


@dataclass(frozen=True, slots=True)
class Sample:
    """The live file at one moment."""

    at: float
    size: int
    allocated: int


@pytest.fixture
def client(live_guacd: LiveGuacd) -> Iterator[GuacamoleClient]:
    client = GuacamoleClient(live_guacd.port)
    yield client
    client.disconnect()


@pytest.mark.slow
def test_a_live_session_is_rolled_and_never_stalls(
    make_daemon: Callable[..., DaemonProcess],
    live_guacd: LiveGuacd,
    client: GuacamoleClient,
) -> None:
    daemon = make_daemon(
        recording_dir=live_guacd.recordings,
        segment_size="1MB",
        scan_interval=str(SCAN_S),
        raw_upload="always",
        encoder="native",
    ).start()
    began = time.monotonic()
    name = daemon.allowed_name("k-1")
    client.connect("ssh", SIZE, live_guacd.ssh(name))
    wait_until(lambda: client.syncs or client.ended, "the session begins", deadline_s=15)
    client.type(SCROLLING)
    samples = _watch(live_guacd.recordings / name, client, sealed=lambda: _sealed(daemon))
    assert not client.ended, live_guacd.log()
    assert not client.errors
    assert disk.is_locked(live_guacd.recordings / name), "the session goes on"
    assert not daemon.events("recording.finished")
    _assert_stays_small(samples)
    client.vanish()  # guacd writes on until it notices
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "all is stored and purged")
    found = stored(daemon.folder / "clips", "k-1")
    assert len(found) >= SEGMENTS
    assert [each.manifest["sequence"] for each in found] == list(range(len(found)))
    bounds = [0, *(end for each in found for end in each.bounds)]
    assert bounds[:-1:2] == bounds[1::2], "without gap or overlap"
    for path, each in zip(sorted((daemon.folder / "clips").glob("k-1*.mp4")), found, strict=True):
        clip = asyncio.run(probe(path))
        assert clip.codec == "h264"
        assert clip.duration_ms > 0
        assert abs(clip.duration_ms - each.manifest["duration_ms"]) <= FRAME_MS
    elapsed_ms = (time.monotonic() - began) * 1000
    lasted_ms = sum(each.manifest["duration_ms"] for each in found)
    assert (samples[-1].at - samples[0].at) * 1000 - FRAME_MS < lasted_ms < elapsed_ms + FRAME_MS
    whole = list(read([b"".join(each.body for each in found)]))
    assert all(isinstance(each, Instruction) for each in whole)
    assert sum(each.opcode == "key" for each in whole if isinstance(each, Instruction)) > 2


def _sealed(daemon: DaemonProcess) -> int:
    return len(daemon.events("segment.sealed"))


def _watch(path: Path, client: GuacamoleClient, *, sealed: Callable[[], int]) -> list[Sample]:
    """Samples of the live file until so many segments are sealed; fails where syncs stay away."""
    samples: list[Sample] = []
    deadline = time.monotonic() + 60
    syncs, heard = client.syncs, time.monotonic()
    while sealed() < SEGMENTS:
        now = time.monotonic()
        status = disk.status_of(path)
        samples.append(Sample(now, status.size, status.allocated))
        if client.syncs != syncs:
            syncs, heard = client.syncs, now
        assert now - heard < STALL_S, "the session has stalled"
        assert now < deadline, f"{status.size} bytes, {sealed()} segments are sealed"
        time.sleep(0.02)
    assert client.longest_silence_s < STALL_S
    return samples


def _assert_stays_small(samples: list[Sample]) -> None:
    """The live file holds two segments and what is written during one scan interval, at most."""
    duration_s = samples[-1].at - samples[0].at
    written = samples[-1].size - samples[0].size
    assert written > 2 * SEGMENT, "more was written than may lie there"
    allowed = 2 * SEGMENT + written / duration_s * SCAN_S
    highest = max(sample.allocated for sample in samples)
    print(f"{written} bytes in {duration_s:.1f} s; {highest} allocated, {allowed:.0f} allowed")
    assert highest < allowed
