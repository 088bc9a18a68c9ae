"""The package on a real systemd: installed, at work, restarted, upgraded and purged.

One boot and one installation for all of it, in the order of a life: the tests build on each other.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.client import _UnixConnection, ask
from kasm_recd.errors import ControlRefused
from tests.fixtures_daemon import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.booted import Booted

SERVICE = "kasm-recd.service"
WRITER = Path(__file__).parents[1] / "standins" / "guacd_writer.py"
RECORDINGS = "/var/lib/guacd/recordings"
SECRET = "hunter2-in-the-object-store"  # noqa: S105 - a test's own
MB = 1_000_000
BROKERS = 4


def socket_of(machine: Booted) -> Path:
    return machine.root / "run/kasm-recd/admission.sock"


def status(machine: Booted) -> dict[str, Any]:
    with contextlib.suppress(ControlRefused):
        found: dict[str, Any] = ask(socket_of(machine), "GET", "/v1/status")[1]
        return found
    return {}


def session(kasm_id: str) -> dict[str, object]:
    body: dict[str, object] = {
        "kasm_id": kasm_id,
        "user_id": "u",
        "username": "demo",
        "record_sessions": True,
    }
    body |= {"image_id": "i", "image_friendly_name": "Terminal", "staged": False}
    times = ("created_timestamp", "start_timestamp")
    return body | dict.fromkeys(times, "2026-01-01T00:00:00Z")


def admit(machine: Booted, kasm_id: str) -> tuple[int, dict[str, Any]]:
    code, answer = ask(socket_of(machine), "POST", "/v1/admission", session(kasm_id))
    return code, answer


def configure(machine: Booted, **settings: object) -> None:
    """Settings in the file, and a reload that took them."""
    given = {
        "worker_cage": "require",
        "scan_interval": 0.2,
        "segment_size": "1MB",
        "min_free": "1MB",
        "ballast_size": 0,
        "session_recording_guac_disk_limit": 1.0,
        **settings,
    }
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items())
    path = machine.root / "etc/kasm-recd/kasm-recd.toml"
    path.write_text(text)  # in place: owner and mode stay as they were installed
    before = len(machine.events("settings.reloaded"))
    machine.systemctl("reload", SERVICE)
    wait_until(lambda: len(machine.events("settings.reloaded")) > before, "the reload")
    wait_until(lambda: "bytes_at_risk" in status(machine), "the recorder is back")


def test_it_runs_once_it_is_installed(installed: Booted) -> None:
    wait_until(lambda: installed.show(SERVICE, "ActiveState") == "active", "it is active")
    assert status(installed)["healthy"]
    assert installed.show(SERVICE, "StatusText")
    assert "running" in installed.run("kasm-recd", "status").stdout
    assert installed.run("stat", "-c", "%U:%G %a", "/etc/kasm-recd/kasm-recd.toml").stdout == (
        "root:kasm-recd 640\n"
    )


def test_ready_is_said_after_the_daemon_answers(installed: Booted) -> None:
    installed.systemctl("restart", SERVICE)
    (started, *_) = reversed(installed.events("daemon.started"))
    ready_us = int(installed.show(SERVICE, "ActiveEnterTimestampMonotonic"))
    assert int(started["__MONOTONIC_TIMESTAMP"]) <= ready_us


def test_the_socket_is_the_groups_that_its_unit_names(installed: Booted) -> None:
    installed.write(
        "/etc/systemd/system/kasm-recd.socket.d/brokers.conf", "[Socket]\nSocketGroup=daemon\n"
    )
    installed.systemctl("daemon-reload")
    installed.systemctl("stop", "kasm-recd.socket", SERVICE)
    installed.systemctl("start", "kasm-recd.socket", SERVICE)
    owner = installed.run("stat", "-c", "%U:%G %a", "/run/kasm-recd/admission.sock").stdout
    assert owner == "root:daemon 660\n"
    broker = ("setpriv", "--reuid=nobody", "--regid=daemon", "--clear-groups")
    installed.run(*broker, "kasm-recd", "status")


def test_systemd_has_nothing_to_say_about_the_units(installed: Booted) -> None:
    units = [unit.name for unit in (installed.root / "lib/systemd/system").glob("kasm-recd*")]
    assert len(units) == 4
    assert installed.run("systemd-analyze", "verify", *units).stderr == ""
    for unit in (SERVICE, "kasm-recd-punch.service"):
        installed.run("systemd-analyze", "security", "--threshold=15", unit)


def test_secrets_come_as_credentials_and_stay_with_the_daemon(installed: Booted) -> None:
    for name in ("key", "secret"):
        installed.write(f"/etc/credstore/recording_object_storage_{name}", SECRET, mode=0o600)
    installed.systemctl("restart", SERVICE)
    # An s3:// location without a key would be refused as invalid.
    configure(installed, session_recording_upload_location="s3://bucket@127.0.0.1/{kasm_id}.mp4")
    assert status(installed)["healthy"]
    pid = installed.main_pid(SERVICE)
    as_daemon = ("setpriv", "--reuid=kasm-recd", "--regid=kasm-recd", "--clear-groups")
    for look in (f"/proc/{pid}/environ", f"/proc/{pid}/mem", f"/proc/{pid}/maps"):
        tried = installed.run(*as_daemon, "head", "-c1", look, check=False)
        assert tried.returncode != 0, look
    assert SECRET not in installed.run("journalctl", "-o", "json", "-u", SERVICE).stdout


def test_the_service_may_touch_its_own_folders_and_no_other(installed: Booted) -> None:
    pid = str(installed.main_pid(SERVICE))
    user = ("setpriv", "--reuid=kasm-recd", "--regid=kasm-recd", "--groups=guacd")
    there = ("nsenter", "-t", pid, "-m", "-r", "--", *user)
    for own in ("/var/lib/kasm-recd", RECORDINGS, "/tmp"):
        installed.run(*there, "touch", f"{own}/touched")
        installed.run(*there, "rm", f"{own}/touched")
    as_root = ("nsenter", "-t", pid, "-m", "-r", "--")
    for other in ("/etc", "/usr/lib/kasm-recd", "/var/lib", "/var/lib/guacd", "/boot"):
        tried = installed.run(*as_root, "touch", f"{other}/touched", check=False)
        assert "Read-only file system" in tried.stderr, other
    for hidden in ("/root", "/home"):
        assert installed.run(*as_root, "ls", "-A", hidden, check=False).stdout == "", hidden


@pytest.fixture
def guacd(installed: Booted, recordings: Callable[[str], Path]) -> Iterator[Callable[..., Any]]:
    """``guacd(name, kasm_id)``: a stand-in, as guacd's user, that writes when it is told to."""
    children: list[subprocess.Popen[str]] = []

    def start(name: str, path: str) -> Callable[[str], str]:
        source = installed.root / "var/tmp" / name
        source.write_bytes(recordings(name).read_bytes())
        source.chmod(0o644)
        program = installed.root / "var/tmp/guacd_writer.py"
        program.write_bytes(WRITER.read_bytes())
        program.chmod(0o644)
        user = ("setpriv", "--reuid=guacd", "--regid=guacd", "--clear-groups")
        argv = ("/usr/bin/python3", "-I", "/var/tmp/guacd_writer.py", f"/var/tmp/{name}", path)
        child = subprocess.Popen(
            installed.inside(*user, *argv, "--on-command"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)

        def say(command: str = "") -> str:
            assert child.stdin is not None
            assert child.stdout is not None
            if command:
                child.stdin.write(f"{command}\n")
                child.stdin.flush()
            return child.stdout.readline().strip()

        assert say().startswith("open ")
        return say

    yield start
    for child in children:
        with child:
            child.kill()


def test_a_recording_goes_through_and_its_disk_comes_back_while_guacd_writes(
    installed: Booted, guacd: Callable[..., Callable[[str], str]]
) -> None:
    configure(installed)
    code, allowed = admit(installed, "k-1")
    assert code == 200, allowed
    path = f"{RECORDINGS}/{allowed['recording_name']}"
    say = guacd("ssh-work.guac", path)
    size = int(say("write 4000000").split()[1])
    live = installed.root / path.lstrip("/")
    assert live.stat().st_mode & 0o777 == 0o640
    # The daemon may only read it: the helper, guacd's user, makes the holes.
    wait_until(lambda: live.stat().st_blocks * 512 < size / 2, "its disk comes back")
    assert installed.show("kasm-recd-punch.service", "ActiveState") == "active"
    assert installed.events("recording.pinned") == []
    say("write all")
    say("close")
    wait_until(lambda: not live.exists(), "the recording is removed", deadline_s=90)

    def all_stored() -> bool:
        found = status(installed)
        return (found.get("recordings_open"), found.get("bytes_at_risk")) == (0, 0)

    wait_until(all_stored, "all is stored", deadline_s=90)
    clips = installed.root / "var/lib/kasm-recd/clips/demo"
    assert len([*clips.glob("k-1*.mp4")]) >= 2
    told = installed.run("journalctl", "--no-pager", "KASM_ID=k-1").stdout
    assert "clip.stored" in told


def test_a_hung_daemon_is_killed_and_comes_back(installed: Booted) -> None:
    before = installed.main_pid(SERVICE)
    installed.run("kill", "-STOP", str(before))
    wait_until(lambda: installed.main_pid(SERVICE) not in {0, before}, "a new daemon")
    wait_until(lambda: status(installed).get("healthy"), "it is healthy")
    killed = installed.run("journalctl", "--no-pager", "-u", SERVICE).stdout
    assert "Watchdog timeout" in killed
    assert int(installed.show(SERVICE, "NRestarts")) >= 1


def test_a_reload_takes_new_settings_and_keeps_the_process(installed: Booted) -> None:
    before = installed.main_pid(SERVICE)
    configure(installed, log_level="debug")
    assert installed.main_pid(SERVICE) == before


def test_a_restart_refuses_no_broker(installed: Booted) -> None:
    asked: list[str] = []
    refused: list[str] = []
    over = threading.Event()

    def broker(number: int) -> None:
        while not over.is_set():
            # Without the client's patience: one connection, one answer.
            connection = _UnixConnection(socket_of(installed), 30)
            body = json.dumps(session(f"load-{number}-{len(asked)}"))
            try:
                connection.request("POST", "/v1/admission", body)
                answer = connection.getresponse()
                asked.append(f"{answer.status} {json.loads(answer.read()).get('decision')}")
            except OSError as error:
                refused.append(repr(error))
                return
            finally:
                connection.close()

    threads = [threading.Thread(target=broker, args=(number,)) for number in range(BROKERS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(asked) > 20, "brokers are answered")
        before = installed.main_pid(SERVICE)
        installed.systemctl("restart", SERVICE)
        answered = len(asked)
        wait_until(lambda: len(asked) > answered + 20, "brokers are answered again")
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert installed.main_pid(SERVICE) != before
    assert refused == []
    assert set(asked) <= {"200 allow", "200 refuse", "503 refuse"}, set(asked)


def test_it_stops_within_ten_seconds_with_work_in_flight(
    installed: Booted, guacd: Callable[..., Callable[[str], str]]
) -> None:
    code, allowed = admit(installed, "k-2")
    assert code == 200, allowed
    say = guacd("rdp-desktop.guac", f"{RECORDINGS}/{allowed['recording_name']}")
    say("write all")

    def a_worker_stopped() -> bool:
        """Catches a worker, which then never ends by itself."""
        for pid in installed.processes(SERVICE):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() != "kasm-recd\n":
                    os.kill(pid, signal.SIGSTOP)
                    return True
        return False

    wait_until(a_worker_stopped, "a worker at work")
    installed.systemctl("stop", "kasm-recd.socket", SERVICE)
    took = [
        int(installed.show(SERVICE, f"{name}TimestampMonotonic"))
        for name in ("ActiveExit", "InactiveEnter")
    ]
    assert took[1] - took[0] < 10 * MB  # systemd's clock counts microseconds
    assert installed.show(SERVICE, "Result") == "success"
    assert installed.processes(SERVICE) == []
    installed.systemctl("start", "kasm-recd.socket", SERVICE)


def test_an_upgrade_keeps_the_journal_and_the_settings(installed: Booted) -> None:
    journal = installed.root / "var/lib/kasm-recd/journal.sqlite3"
    before, settings = journal.stat().st_ino, "/etc/kasm-recd/kasm-recd.toml"
    written = (installed.root / settings.lstrip("/")).read_text()
    stored = status(installed)["segments"]
    pid = installed.main_pid(SERVICE)
    installed.run("dpkg", "--force-confold", "-i", "/var/tmp/kasm-recd.deb", timeout_s=110)
    wait_until(lambda: "segments" in status(installed), "the new daemon works")
    assert installed.main_pid(SERVICE) != pid
    assert journal.stat().st_ino == before
    assert sum(status(installed)["segments"].values()) >= sum(stored.values()) > 0
    assert (installed.root / settings.lstrip("/")).read_text() == written


def test_a_purge_leaves_nothing_but_what_guacd_recorded(installed: Booted) -> None:
    installed.run("touch", f"{RECORDINGS}/guacds")
    installed.run("dpkg", "--purge", "kasm-recd", timeout_s=110)
    left = installed.run(
        "find", "/usr", "/etc", "/var/lib", "/run", "/lib/systemd", "-name", "*kasm-recd*"
    ).stdout
    allowed = r"/etc/systemd/system/kasm-recd\.(service|socket)\.d"  # the operator's
    assert [path for path in left.split() if not re.fullmatch(allowed, path)] == []
    assert (installed.root / RECORDINGS.lstrip("/") / "guacds").exists()
    assert installed.show(SERVICE, "ActiveState") == "inactive"
