"""Debian 13's systemd, in a root folder of its own that ``mmdebstrap`` fills once."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.booted import Booted, NotBooted

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLBOX: Final = Path(__file__).parent.parent / ".toolbox"
ROOT: Final = TOOLBOX / "trixie"
MIRROR: Final = "http://deb.debian.org/debian"
INSTALL_S: Final = 300

_failure: str | None = None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Installs it before the first test: an installation takes longer than a test may."""
    global _failure  # noqa: PLW0603 - written once, before any test runs
    if session.config.option.collectonly or ROOT.exists():
        return
    if any("trixie" in getattr(item, "fixturenames", ()) for item in session.items):
        _failure = _installed()


def _installed() -> str | None:
    """Makes the root folder; what went wrong, if it did."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        return "needs root and mmdebstrap"
    TOOLBOX.mkdir(exist_ok=True)
    with (TOOLBOX / "trixie.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ROOT.exists():
            return None
        print(f"installing Debian trixie's systemd into {ROOT} ...", file=sys.stderr, flush=True)
        unfinished = ROOT.with_name("trixie.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            subprocess.run(
                [
                    *("mmdebstrap", "--variant=minbase"),
                    *("--include=systemd,systemd-sysv,dbus,procps", "trixie", unfinished, MIRROR),
                ],
                check=True,
                capture_output=True,
                timeout=INSTALL_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            tail = (getattr(error, "stderr", None) or b"").decode(errors="replace")[-400:]
            return f"cannot install trixie's systemd: {error} {tail}"
        unfinished.rename(ROOT)
    return None


@pytest.fixture(scope="module")
def trixie() -> Iterator[Booted]:
    """A booted Debian 13, with systemd 257."""
    if _failure is not None or not ROOT.exists():
        pytest.skip(_failure or "there is no Debian trixie in .toolbox")
    try:
        machine = Booted.boot(f"trixie-{os.getpid()}", ROOT)
    except NotBooted as error:
        pytest.skip(str(error))
    yield machine
    machine.stop()
