"""The built package, and a booted systemd that it is installed in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.booted import Booted, NotBooted

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PARTS = ("kasm_recd", "systemd", "debian", "config")


@pytest.fixture(scope="session")
def package() -> Path:
    """The package that ``make deb`` built from these sources."""
    found = sorted((ROOT / "build").glob("kasm-recd_*.deb"))
    if not found:
        pytest.skip("there is no build/kasm-recd_*.deb: make deb")
    newest = max(
        path.stat().st_mtime
        for part in PARTS
        for path in (ROOT / part).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )
    if found[-1].stat().st_mtime < newest:
        pytest.skip(f"{found[-1].name} is older than the sources: make deb")
    return found[-1]


@pytest.fixture(scope="module")
def booted() -> Iterator[Booted]:
    """This machine's own systemd, booted on an overlay of its disk."""
    if os.geteuid() != 0 or shutil.which("nsenter") is None:
        pytest.skip("needs root and nsenter")
    try:
        machine = Booted.boot(f"test-{os.getpid()}")
    except NotBooted as error:
        pytest.skip(str(error))
    yield machine
    machine.stop()


@pytest.fixture(scope="module")
def installed(booted: Booted, package: Path) -> Booted:
    """A booted machine with the package on it, running, set up to be quick."""
    shutil.copy(package, booted.root / "var/tmp/kasm-recd.deb")
    booted.write("/etc/systemd/system/kasm-recd.service.d/quick.conf", "[Service]\nWatchdogSec=8\n")
    booted.run("dpkg", "-i", "/var/tmp/kasm-recd.deb", timeout_s=110)
    return booted
