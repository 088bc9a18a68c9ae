"""The unit files, checked by systemd's own tools.

``systemd-analyze verify`` only warns of an unknown key and exits 0: a line on stderr is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from kasm_recd import options
from kasm_recd.admission.listener import BACKLOG
from kasm_recd.settings import Settings

FOLDER = Path(__file__).parents[1] / "systemd"
SERVICE = FOLDER / "kasm-recd.service"
SOCKET = FOLDER / "kasm-recd.socket"
EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
needs_root_and_systemd = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("systemd-tmpfiles") is None,
    reason="needs root, systemd-sysusers and systemd-tmpfiles",
)


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """The unit with a program that is there: verify looks for it."""
    copy = tmp_path / SERVICE.name
    text = SERVICE.read_text()
    assert text.count("/usr/bin/kasm-recd ") == 1
    copy.write_text(text.replace("/usr/bin/kasm-recd ", "/bin/true "))
    shutil.copy(SOCKET, tmp_path)
    return copy


def values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", SERVICE.read_text(), re.MULTILINE)


@needs_systemd
def test_systemd_finds_nothing_to_say_about_the_unit(service: Path) -> None:
    found = run("systemd-analyze", "verify", service)
    assert (found.returncode, found.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_nothing_to_say_about_the_helpers_units(tmp_path: Path) -> None:
    copies = []
    for unit in FOLDER.glob("kasm-recd-punch.*"):
        copies.append(tmp_path / unit.name)
        copies[-1].write_text(unit.read_text().replace("/usr/bin/kasm-recd ", "/bin/true "))
    assert len(copies) == 2
    found = run("systemd-analyze", "verify", *copies)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.usefixtures("service")
def test_systemd_finds_nothing_to_say_about_the_socket(tmp_path: Path) -> None:
    found = run("systemd-analyze", "verify", tmp_path / SOCKET.name)
    assert (found.returncode, found.stderr) == (0, "")


def test_the_socket_is_where_the_daemon_and_brokers_look_and_outlives_the_service() -> None:
    text = SOCKET.read_text()
    assert f"ListenStream={options.DEFAULT_SOCKET}\n" in text
    for line in ("SocketMode=0660", "SocketGroup=kasm-recd", f"Backlog={BACKLOG}"):
        assert f"\n{line}\n" in text
    assert "Accept=" not in text
    assert values("RuntimeDirectory") == []  # it would take the socket's group from it
    assert values("Requires") == [SOCKET.name]


@needs_systemd
def test_the_check_itself_notices_an_unknown_key(service: Path) -> None:
    service.write_text(service.read_text().replace("[Service]", "[Service]\nNonsense=yes"))
    assert "Nonsense" in run("systemd-analyze", "verify", service).stderr


@needs_systemd
@pytest.mark.parametrize("name", ["kasm-recd.service", "kasm-recd-punch.service"])
def test_the_services_are_hardly_exposed(name: str) -> None:
    threshold = f"--threshold={EXPOSURE * 10:.0f}"
    found = run("systemd-analyze", "security", "--offline=yes", threshold, FOLDER / name)
    assert found.returncode == 0, found.stdout


def applied(tool: str, conf: str, root: Path) -> None:
    """Runs systemd-sysusers or -tmpfiles on one of our files, into ``root``."""
    done = subprocess.run(
        [tool, f"--root={root}", *(["--create"] if tool == "systemd-tmpfiles" else []), "-"],
        input=(FOLDER / conf).read_text(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@needs_root_and_systemd
def test_the_user_is_made_in_guacds_group_and_the_folder_is_open_to_both(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    applied("systemd-sysusers", "kasm-recd.sysusers.conf", tmp_path)
    rows = [row.split(":") for row in (tmp_path / "etc/group").read_text().splitlines()]
    groups = {name: (int(number), members) for name, _, number, members in rows}
    assert groups["guacd"][1] == "kasm-recd"
    assert "kasm-recd" in groups
    assert "/usr/sbin/nologin" in (tmp_path / "etc/passwd").read_text()

    applied("systemd-tmpfiles", "kasm-recd.tmpfiles.conf", tmp_path)
    status = (tmp_path / "var/lib/guacd/recordings").stat()
    assert stat.S_IMODE(status.st_mode) == 0o2770
    assert status.st_gid == groups["guacd"][0]


def test_the_unit_keeps_the_promises_of_the_design() -> None:
    assert values("Type") == ["notify"]
    assert int(values("WatchdogSec")[0]) > 0
    assert values("Restart") == ["always"]
    assert values("TimeoutStopSec") == ["10"]
    assert values("KillMode") == ["mixed"]
    assert values("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert values("User") == ["kasm-recd"]
    assert values("SupplementaryGroups") == ["guacd"]
    assert values("StateDirectoryMode") == ["0700"]
    assert values("LimitCORE") == ["0"]


def test_children_can_be_started_inside_the_sandbox() -> None:
    """Seen on a booted systemd: setpriv fails without capset, which is one of @privileged."""
    filters = values("SystemCallFilter")
    assert filters[0] == "@system-service"
    assert filters.index("capset") > filters.index("~@privileged @keyring")


def test_the_unit_and_the_settings_mean_the_same_folders_and_secrets() -> None:
    defaults = Settings()
    assert values("StateDirectory") == [defaults.spool_dir.name]
    assert defaults.spool_dir.parent == Path("/var/lib")
    assert values("ReadWritePaths") == [f"-{defaults.recording_dir}"]
    assert Path(defaults.location.target.folder).is_relative_to(defaults.spool_dir)
    assert set(values("LoadCredential")) == {
        name for name in Settings.model_fields if name.startswith("recording_object_storage_")
    }
    tmpfiles = (FOLDER / "kasm-recd.tmpfiles.conf").read_text()
    assert f"d {defaults.recording_dir} 2770 " in tmpfiles
