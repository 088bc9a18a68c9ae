"""Segments that are cut at a glance, through a daemon: each is read once, and nothing is lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kasm_recd.workers.bounds import GLANCE
from tests.fixtures_daemon import DaemonProcess, wait_until
from tests.rolling import MB, Stored, make_recording, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures_guacd import GuacdWriter

STANDINS = Path(__file__).parents[1] / "standins"
SEGMENT = 9 * MB


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.guac"
    path.write_bytes(make_recording(2 * SEGMENT + MB, first_ms=int(time.monotonic() * 1000)))
    return path


@pytest.fixture
def daemon(make_daemon: Callable[..., DaemonProcess]) -> DaemonProcess:
    made = make_daemon(segment_size=f"{SEGMENT // MB}MB", raw_upload="always", encoder="native")
    made.program = (str(STANDINS / "faulty_daemon.py"),)
    return made


def whole(daemon: DaemonProcess, source: Path) -> list[Stored]:
    """What is stored once all is; the bodies in a row are the recording, each with its clip."""
    wait_until(lambda: daemon.idle() and daemon.spool_is_empty(), "all is stored", deadline_s=120)
    found = stored(daemon.folder / "clips", "k-1")
    assert b"".join(each.body for each in found) == source.read_bytes()
    first, second, last = found
    assert min(len(first.body), len(second.body)) > GLANCE > len(last.body)
    for each in found:
        assert (each.manifest["form"], each.manifest["damage"]) == ("clip", [])
        assert each.manifest["segment"]["sync_count"] == each.raw.count(b"4.sync,")
        assert each.manifest["segment"]["width"] == 320
    assert [each.manifest["start"] for each in found[1:]] == [
        each.manifest["end"] for each in found[:-1]
    ]
    return found


def played(daemon: DaemonProcess, guacd_writer: Callable[..., GuacdWriter], source: Path) -> None:
    writer = guacd_writer(source, daemon.recordings / daemon.allowed_name("k-1"), "--on-command")
    writer.write("all")
    writer.close()


def test_each_is_read_once_by_its_encode(
    daemon: DaemonProcess, guacd_writer: Callable[..., GuacdWriter], source: Path
) -> None:
    daemon.faults["KASM_RECD_TEST_WORKER_FAULTS"] = "survey:told"  # which is not to happen
    daemon.start()
    played(daemon, guacd_writer, source)
    whole(daemon, source)
    assert not daemon.events("segment.encode_failed")
    assert not daemon.events("encoder.failed")
    made = daemon.events("preamble.made")
    assert not [event for event in made if "cpu_s" in event], "replayed, though encoded natively"


def test_where_the_encode_dies_it_is_surveyed_and_replayed(
    daemon: DaemonProcess, guacd_writer: Callable[..., GuacdWriter], source: Path
) -> None:
    daemon.faults["KASM_RECD_TEST_WORKER_FAULTS"] = "render:told,survey:told"
    daemon.start()
    played(daemon, guacd_writer, source)
    whole(daemon, source)
    (failed,) = daemon.events("encoder.failed")
    assert "SIGKILL" in failed["error"]
    (failed,) = daemon.events("segment.encode_failed")
    assert failed["attempts"] == 1, "of the survey"
    assert any("cpu_s" in event for event in daemon.events("preamble.made"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["learned:before", "learned:after", "packed:before", "packed:after"]
)
def test_kill_9_of_the_daemon_between_what_is_found_out_and_what_is_made_of_it(
    daemon: DaemonProcess,
    guacd_writer: Callable[..., GuacdWriter],
    source: Path,
    fault: str,
) -> None:
    daemon.faults["KASM_RECD_TEST_FAULT"] = fault
    daemon.start()
    played(daemon, guacd_writer, source)
    assert daemon.process is not None
    assert daemon.process.wait(60) == -9
    daemon.faults = {"KASM_RECD_TEST_WORKER_FAULTS": "survey:told"}
    daemon.start()
    whole(daemon, source)
    assert not daemon.events("segment.encode_failed")
