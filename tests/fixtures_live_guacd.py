"""A real guacd, 1.3.0 as Debian 11 ships it, and an sshd for its sessions, both on loopback.

guacd lives in a folder of its own, ``.toolbox/guacd``, which ``mmdebstrap`` fills once; that needs
root and a mirror that still has bullseye. What cannot be had skips the tests, with the reason.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.fixtures_daemon import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLBOX: Final = Path(__file__).parent.parent / ".toolbox" / "guacd"
PACKAGES: Final = "guacd,libguac-client-ssh0,libguac-client-vnc0,fonts-dejavu-core"
SSHD: Final = "/usr/sbin/sshd"
INSTALL_S: Final = 600

# guacd 1.3 signs with SHA-1; the shell starts without anybody's profile.
SSHD_CONFIG: Final = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
PubkeyAcceptedAlgorithms +ssh-rsa
HostKeyAlgorithms +ssh-rsa
StrictModes no
UsePAM no
ForceCommand exec env -i PATH=/usr/bin:/bin TERM=xterm PS1=ready: sh
"""

_failure: str | None = None


class GuacdUnavailable(Exception):
    """No live guacd on this machine; says why."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install guacd before the first test: an installation takes longer than a test may."""
    global _failure  # noqa: PLW0603 - written once, before any test runs
    if session.config.option.collectonly:
        return
    if any("live_guacd" in getattr(item, "fixturenames", ()) for item in session.items):
        try:
            installed()
        except GuacdUnavailable as error:
            _failure = str(error)


def installed() -> Path:
    """The root folder of a Debian that has guacd; it is made when it is not there.

    Raises:
        GuacdUnavailable: it cannot be had on this machine.
    """
    if os.geteuid():
        raise GuacdUnavailable("chroot and sshd need root")
    for program in ("mmdebstrap", "ssh-keygen", SSHD):
        if shutil.which(program) is None:
            raise GuacdUnavailable(f"there is no {program}")
    TOOLBOX.parent.mkdir(exist_ok=True)
    with (TOOLBOX.parent / "guacd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not TOOLBOX.exists():
            _install(TOOLBOX)
    return TOOLBOX


def _install(root: Path) -> None:
    print(f"installing Debian bullseye's guacd into {root} ...", file=sys.stderr, flush=True)
    unfinished = root.with_name(f"{root.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        subprocess.run(
            [
                "mmdebstrap",
                "--variant=minbase",
                f"--include={PACKAGES}",
                "bullseye",
                unfinished,
                _mirror(),
            ],
            check=True,
            capture_output=True,
            timeout=INSTALL_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        tail = (getattr(error, "stderr", None) or b"").decode(errors="replace")[-400:]
        raise GuacdUnavailable(f"cannot install bullseye's guacd: {error} {tail}") from error
    unfinished.rename(root)


def _mirror() -> str:
    """Where this machine has its own packages from.

    Named, because without it the security suite comes in, which mirrors let go earlier.
    """
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    mirrors = [uri for uri in told if "security" not in uri]
    if not mirrors:
        raise GuacdUnavailable("apt knows no mirror; run apt-get update")
    return mirrors[0]


class LiveGuacd:
    """guacd and sshd, running; guacd knows the folder ``recordings`` by another name."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder
        self._children: list[subprocess.Popen[bytes]] = []
        self.recordings = Path(tempfile.mkdtemp(prefix="recordings-", dir=root / "srv"))
        self.port, self._ssh_port = _free_ports(2)

    def start(self) -> None:
        """Start both and wait until they answer."""
        for name in ("host", "user"):
            _make_key(self._folder / name)
        config = self._folder / "sshd_config"
        config.write_text(SSHD_CONFIG.format(port=self._ssh_port, folder=self._folder))
        Path("/run/sshd").mkdir(exist_ok=True)
        self._start("sshd", SSHD, "-D", "-e", "-f", str(config))
        guacd = ("/usr/sbin/guacd", "-f", "-b", "127.0.0.1", "-l", str(self.port))
        self._start("guacd", "chroot", str(self._root), *guacd)
        for port in (self.port, self._ssh_port):
            wait_until(partial(_answers, port), "guacd and sshd answer", deadline_s=10)

    def ssh(self, recording_name: str) -> dict[str, str]:
        """The settings of a recorded connection to the sshd."""
        return {
            "hostname": "127.0.0.1",
            "port": str(self._ssh_port),
            "username": "root",
            "private-key": (self._folder / "user").read_text(),
            "recording-path": f"/srv/{self.recordings.name}",
            "recording-name": recording_name,
            "recording-include-keys": "true",
        }

    def log(self) -> str:
        """What both have said."""
        return "".join(path.read_text(errors="replace") for path in self._folder.glob("*.log"))

    def stop(self) -> None:
        """Ends both and all that they started."""
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.wait()
        shutil.rmtree(self.recordings)

    def _start(self, name: str, *argv: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._children.append(child)


def _make_key(path: Path) -> None:
    kind = ("-t", "rsa", "-b", "2048", "-m", "PEM")
    subprocess.run(["ssh-keygen", "-q", *kind, "-N", "", "-f", path], check=True)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def live_guacd(tmp_path: Path) -> Iterator[LiveGuacd]:
    """A running guacd 1.3.0 with an sshd that its sessions may use."""
    if _failure:
        pytest.skip(f"NO GUACD, NOTHING OF A LIVE SESSION WAS TESTED: {_failure}")
    folder = tmp_path / "guacd"
    folder.mkdir()
    guacd = LiveGuacd(installed(), folder)
    try:
        guacd.start()
        yield guacd
    finally:
        guacd.stop()
