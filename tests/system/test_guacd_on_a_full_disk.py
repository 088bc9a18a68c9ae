"""A real guacd that cannot record: the session goes on, and that is said and refused in time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import disk
from tests.fixtures_daemon import wait_until
from tests.guacamole_client import GuacamoleClient
from tests.small_disks import fill_to_the_last_byte, mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_live_guacd import LiveGuacd

SIZE = (1024, 768)
APPEAR_WITHIN_S = 6
REPORTED_S = 5.0
SCROLLING = "while :; do cat /proc/uptime /proc/loadavg; sleep 0.01; done"


@pytest.fixture
def small_disk(live_guacd: LiveGuacd) -> Iterator[Path]:
    """Guacd's folder is a file system of 20 MB of its own."""
    with mounted(live_guacd.recordings, "size=20m", of="A FULL DISK UNDER GUACD") as folder:
        yield folder


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Where the command on_breach writes what it was told."""
    return tmp_path / "told"


@pytest.fixture
def daemon(
    make_daemon: Callable[..., DaemonProcess], small_disk: Path, told: Path
) -> DaemonProcess:
    code = (
        "import json, os, sys; open(sys.argv[1], 'a').write(json.dumps(dict(os.environ)) + '\\n')"
    )
    return make_daemon(
        recording_dir=small_disk,
        appear_within=f"{APPEAR_WITHIN_S}s",
        on_breach=json.dumps([sys.executable, "-c", code, str(told)]),
        encoder="native",
    ).start()


@pytest.fixture
def client(live_guacd: LiveGuacd, daemon: DaemonProcess) -> Iterator[GuacamoleClient]:
    """Connected to nothing yet; it leaves before guacd's folder goes."""
    del daemon
    client = GuacamoleClient(live_guacd.port)
    yield client
    client.disconnect()


def begin(daemon: DaemonProcess, guacd: LiveGuacd, client: GuacamoleClient) -> str:
    """A session under way; gives the name of its recording."""
    name = daemon.allowed_name("k-1")
    client.connect("ssh", SIZE, guacd.ssh(name))
    wait_until(lambda: client.syncs or client.ended, "the session begins", deadline_s=20)
    return name


def the_breach(daemon: DaemonProcess) -> dict[str, Any]:
    found: dict[str, Any] = wait_until(
        lambda: daemon.events("session.unrecorded"), "the breach is said", deadline_s=30
    )[0]
    return found


def assert_refused_and_told(daemon: DaemonProcess, told: Path, kind: str) -> None:
    status, answer = daemon.admit("k-2")
    assert (status, answer["reason"]) == (403, "sessions_unrecorded")
    wait_until(lambda: daemon.events("breach.command_done"), "on_breach was run", deadline_s=30)
    (environment,) = [json.loads(line) for line in told.read_text().splitlines()]
    assert (environment["KASM_ID"], environment["BREACH"]) == ("k-1", kind)
    assert daemon.status()["breaches"][kind] == daemon.status()["breaches"]["open"] == 1


@pytest.mark.slow
def test_a_recording_that_a_full_disk_stops_is_a_breach_within_five_seconds(
    daemon: DaemonProcess, live_guacd: LiveGuacd, client: GuacamoleClient, told: Path
) -> None:
    path = live_guacd.recordings / begin(daemon, live_guacd, client)
    client.type(SCROLLING)
    wait_until(lambda: daemon.events("recording.appeared"), "it is recorded", deadline_s=20)
    wait_until(lambda: disk.status_of(path).size > 50_000, "it grows", deadline_s=20)
    assert not daemon.events("session.unrecorded")
    began_to_fill = time.time()
    filler = fill_to_the_last_byte(live_guacd.recordings)
    assert disk.free(filler.parent).available < 64 * 1024
    breach = the_breach(daemon)
    assert (breach["breach"], breach["level"]) == ("stalled", "critical")
    print(f"reported {breach['at'] - began_to_fill:.2f} s after the disk began to fill")
    assert breach["at"] - began_to_fill < REPORTED_S
    assert not client.ended, "guacd lets the session go on"
    assert_refused_and_told(daemon, told, "stalled")
    filler.unlink()
    settled = wait_until(lambda: daemon.events("breach.settled"), "it grows again", deadline_s=30)
    assert settled[0]["by"] == "recorded"
    wait_until(lambda: daemon.admit("k-2")[0] == 200, "sessions are taken again", deadline_s=30)
    # What guacd dropped meanwhile tore an instruction; the next cut says so, and refuses nobody.
    client.disconnect()
    wait_until(lambda: daemon.events("recording.torn"), "the torn instruction is said")
    assert daemon.events("recording.torn")[0]["kasm_id"] == "k-1"
    assert daemon.admit("k-3")[0] == 200


@pytest.mark.slow
def test_a_folder_that_guacd_cannot_write_any_more_is_a_breach_in_time(
    daemon: DaemonProcess, live_guacd: LiveGuacd, client: GuacamoleClient, told: Path
) -> None:
    name = daemon.allowed_name("k-1")
    allowed = daemon.events("admission.allowed")[0]
    _remount(live_guacd.recordings, "ro")
    client.connect("ssh", SIZE, live_guacd.ssh(name))
    wait_until(lambda: client.syncs or client.ended, "the session begins", deadline_s=20)
    breach = the_breach(daemon)
    assert breach["breach"] == "never_appeared"
    assert not client.ended, "guacd lets the session go on"
    print(f"reported {breach['at'] - _seconds(allowed):.2f} s after the allow")
    assert breach["at"] - _seconds(allowed) < APPEAR_WITHIN_S
    _remount(live_guacd.recordings, "rw")
    wait_until(
        lambda: daemon.admit("k-2")[1].get("reason") == "sessions_unrecorded", "it is refused"
    )
    assert_refused_and_told(daemon, told, "never_appeared")
    assert daemon.ask("GET", "/v1/sessions/k-1")[1]["state"] == "unrecorded"
    listed = _run(daemon, "breaches", "--config", "", "--json")
    assert (listed.returncode, json.loads(listed.stdout)["breaches"][0]["kasm_id"]) == (1, "k-1")
    assert _run(daemon, "settle", "k-1", "--socket", str(daemon.socket)).returncode == 0
    assert _run(daemon, "breaches", "--config", "").returncode == 0
    assert daemon.admit("k-2")[0] == 200


def _run(daemon: DaemonProcess, *argv: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "kasm_recd", *argv]
    return subprocess.run(
        command, check=False, capture_output=True, timeout=60, env=daemon.environment()
    )


def _remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True, timeout=30)


def _seconds(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()
