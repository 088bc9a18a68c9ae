"""The doctor on a machine that is well, and on ones that are broken: each with the right mend."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import disk, doctor
from kasm_recd.doctor import clock, filesystems
from kasm_recd.doctor.accounts import account
from kasm_recd.doctor.finding import Severity
from kasm_recd.doctor.service import service
from tests.doctoring import NOWHERE, at, bad, diagnosed, environ
from tests.fixtures_daemon import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kasm_recd.doctor.finding import Finding
    from tests.fixtures_daemon import DaemonProcess

#: Users that every Debian has; the second one is in the first one's group, as the unit puts it.
GUACD, DAEMON = "games", "man"
USERS: dict[str, Any] = {"guacd_user": GUACD, "daemon_user": DAEMON}


class Machine:
    """Folders as README.md wants them."""

    def __init__(self, root: Path) -> None:
        self.recordings, self.spool = root / "recordings", root / "spool"
        self.settings: dict[str, object] = {
            "recording_dir": self.recordings,
            "spool_dir": self.spool,
            "session_recording_upload_location": f"file://{self.spool}/clips/{{kasm_id}}.mp4",
            "min_free": "1MB",
            "ballast_size": "8MB",
            "session_recording_guac_disk_limit": 1,
            "encoder": "native",
        }
        self.recordings.mkdir()
        self.spool.mkdir(mode=0o700)
        for folder, user in ((self.recordings, GUACD), (self.spool, DAEMON)):
            found = account(user)
            if found is None:
                pytest.skip(f"this machine has no user {user}")
            os.chown(folder, found.uid, found.gid)
        self.recordings.chmod(0o2770)

    def diagnosed(self, **settings: object) -> list[Finding]:
        return diagnosed(self.settings | settings, **USERS)

    def only_bad(self, part: str = "", **settings: object) -> Finding:
        (found,) = bad(self.diagnosed(**settings), part).values()
        return found


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine that is well, but for what the test breaks; encoding is another test's."""
    if os.geteuid() != 0:
        pytest.skip("ONLY ROOT CAN LOOK AS SOMEBODY ELSE: NO RIGHTS WERE TRIED")
    monkeypatch.setattr("kasm_recd.doctor.encoders.encoders", lambda _settings: iter(()))
    root = Path(tempfile.mkdtemp(prefix="kasm-recd-test-", dir="/var/tmp"))
    root.chmod(0o755)
    try:
        yield Machine(root)
    finally:
        shutil.rmtree(root)


def test_a_machine_that_is_well_is_told_so(machine: Machine) -> None:
    found = machine.diagnosed()

    assert bad(found) == {}
    assert {"settings.valid", "folder.recording_dir", "folder.spool_dir", "store.folder"} <= set(
        at(Severity.OK, found)
    )
    assert {"filesystem.recording_dir", "filesystem.spool_dir"} <= set(at(Severity.OK, found))
    assert {"room.recording_dir", "room.spool_dir"} <= set(at(Severity.OK, found))
    assert doctor.exit_code(found) == 0
    assert list(machine.recordings.iterdir()) == list(machine.spool.iterdir()) == []


def test_a_recording_folder_that_is_missing(machine: Machine) -> None:
    machine.recordings.rmdir()
    found = machine.only_bad("folder")
    assert found.check == "folder.recording_dir"
    assert "install -d -o games -g games -m 2770" in found.mend


def test_a_folder_that_guacd_cannot_write_to(machine: Machine) -> None:
    os.chown(machine.recordings, 0, -1)
    machine.recordings.chmod(0o2750)
    found = bad(machine.diagnosed(), "folder.recording_dir")["folder.recording_dir.rights"]
    assert found.severity is Severity.ERROR
    # Both lack it here; the daemon's finding has the same name and comes last.
    assert "usermod -aG" in found.mend
    os.chown(machine.recordings, 0, account(DAEMON).gid)  # type: ignore[union-attr]
    machine.recordings.chmod(0o2770)
    found = machine.only_bad("folder.recording_dir")
    assert "its sessions go on unrecorded" in found.message
    assert "chown games" in found.mend


def test_a_folder_that_the_daemon_cannot_enter(machine: Machine) -> None:
    os.chown(machine.recordings, -1, 0)
    found = machine.only_bad("folder.recording_dir")
    assert (found.severity, found.check) == (Severity.ERROR, "folder.recording_dir.rights")
    assert "usermod -aG root man" in found.mend


def test_a_sticky_folder_a_foreign_group_and_an_open_door(machine: Machine) -> None:
    machine.recordings.chmod(0o1777)
    found = bad(machine.diagnosed(), "folder.recording_dir")
    assert set(found) == {f"folder.recording_dir.{each}" for each in ("sticky", "setgid", "others")}
    assert found["folder.recording_dir.sticky"].mend.startswith("chmod -t ")
    assert found["folder.recording_dir.setgid"].mend.startswith("chmod g+s ")


def test_recordings_that_the_daemon_cannot_read(machine: Machine) -> None:
    recording = machine.recordings / "k-1"
    recording.write_bytes(b"4.size,1.0,1.1,1.1;")
    recording.chmod(0o600)
    found = machine.only_bad("folder.recordings")
    assert found.check == "folder.recordings.unreadable"
    assert "SupplementaryGroups" in found.mend


def test_a_spool_that_others_can_look_into_or_nobody_can_write_to(machine: Machine) -> None:
    machine.spool.chmod(0o755)
    assert machine.only_bad("folder.spool").mend == f"chmod 0700 {machine.spool}"
    os.chown(machine.spool, 0, 0)
    machine.spool.chmod(0o700)
    found = machine.only_bad("folder.spool")
    assert (found.severity, "install -d -o man" in found.mend) == (Severity.ERROR, True)


def test_users_that_are_not_there(machine: Machine) -> None:
    found = diagnosed(machine.settings, guacd_user="no-such-user", daemon_user=DAEMON)
    assert "--guacd-user" in bad(found)["folder.users"].mend


def test_settings_that_are_wrong_or_open_to_all(machine: Machine, tmp_path: Path) -> None:
    wrong = diagnosed(machine.settings | {"encoder": "vhs"}, **USERS)
    assert [each.check for each in wrong] == ["settings.invalid"]
    assert "encoder = vhs" in wrong[0].message
    assert "native or guacenc" in wrong[0].mend

    config = tmp_path / "kasm-recd.toml"
    config.write_text('recording_object_storage_secret = "a-secret-of-mine"\n')
    config.chmod(0o644)
    found = bad(list(doctor.diagnose(config, NOWHERE, environ=environ(machine.settings), **USERS)))[
        "settings.secret_readable"
    ]
    assert found.severity is Severity.ERROR
    assert "a-secret-of-mine" not in found.message + found.mend


def test_a_disk_that_is_too_small_too_full_or_has_no_room_for_the_ballast(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(disk.free(machine.spool), total=40_000_000, available=9_000_000)
    monkeypatch.setattr("kasm_recd.disk.free", lambda _path: small)
    assert bad(machine.diagnosed(), "room") == {}
    in_all = bad(machine.diagnosed(min_free="50MB"), "room")
    assert "every recorded session is refused" in in_all["room.spool_dir"].message
    assert "Lower min_free" in in_all["room.spool_dir"].mend
    now = bad(machine.diagnosed(min_free="20MB"), "room")
    assert "Free disk" in now["room.recording_dir"].mend
    assert (
        "ballast_size" in bad(machine.diagnosed(ballast_size="10MB"), "room")["room.ballast"].mend
    )
    used = replace(small, used_fraction=0.95)
    monkeypatch.setattr("kasm_recd.disk.free", lambda _path: used)
    full = bad(machine.diagnosed(session_recording_guac_disk_limit=0.9), "room")
    assert "session_recording_guac_disk_limit" in full["room.spool_dir"].mend


def test_a_file_system_without_holes(machine: Machine) -> None:
    mount = ["mount", "-t", "ramfs", "ramfs", str(machine.recordings)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("NO FILE SYSTEM WITHOUT HOLES WAS TRIED: no right to mount a ramfs")
    try:
        found = bad(list(filesystems.features(machine.recordings, "recording_dir")))
    finally:
        subprocess.run(["umount", str(machine.recordings)], check=True)
    assert set(found) == {"filesystem.recording_dir.holes"}
    assert "ext4" in found["filesystem.recording_dir.holes"].mend


def test_a_file_system_whose_locks_nobody_sees(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "_ASKS", "raise SystemExit(1)  # as on NFS with nolock")
    found = machine.only_bad("filesystem.recording_dir")
    assert (found.severity, found.check[-5:]) == (Severity.ERROR, "locks")


@pytest.mark.parametrize(
    ("off", "severity"), [(1, Severity.OK), (60, Severity.WARNING), (1000, Severity.ERROR)]
)
def test_clocks_that_differ(off: float, severity: Severity) -> None:
    found = clock.against_store(1e9, 1e9 + off)
    assert found.severity is severity
    assert severity is Severity.OK or "timedatectl" in found.mend


def test_an_encoder_that_is_missing_or_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {
        "recording_dir": tmp_path / "rec",
        "spool_dir": tmp_path / "spool",
        "encoder": "native",
    }
    assert set(at(Severity.OK, diagnosed(settings), "encoder")) == {"encoder.native"}
    monkeypatch.setenv("PATH", str(tmp_path))
    found = bad(diagnosed(settings | {"encoder": "guacenc"}), "encoder")["encoder.guacenc"]
    assert found.severity is Severity.ERROR
    assert found.mend


def test_a_daemon_that_refuses_says_why(make_daemon: Callable[..., DaemonProcess]) -> None:
    daemon = make_daemon(min_free="1000000GB").start(wait=False)
    try:
        wait_until(lambda: bad(list(service(daemon.socket))), "the daemon refuses")
        wait_until(
            lambda: "disk_free_low" in bad(list(service(daemon.socket)))["service.admitting"].mend,
            "facts are fresh",
        )
    finally:
        daemon.kill()
