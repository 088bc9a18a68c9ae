"""The unit files on Debian 13's systemd 257: nothing to say about them, and all of it starts.

A program that only says READY stands in for the daemon: what is tried is the units.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.fixtures_daemon import wait_until

if TYPE_CHECKING:
    from tests.booted import Booted

FOLDER = Path(__file__).parents[2] / "systemd"
STAND_IN = "#!/bin/sh\nexec systemd-notify --ready --exec \\; sleep 600\n"
PLACES = {
    ".service": "/usr/lib/systemd/system/{}",
    ".socket": "/usr/lib/systemd/system/{}",
    ".sysusers.conf": "/usr/lib/sysusers.d/kasm-recd.conf",
    ".tmpfiles.conf": "/usr/lib/tmpfiles.d/kasm-recd.conf",
}


def install(machine: Booted) -> list[str]:
    """The files as a package puts them; the names of the units."""
    units = []
    for file in FOLDER.iterdir():
        for ending, place in PLACES.items():
            if file.name.endswith(ending):
                machine.write(place.format(file.name), file.read_text())
                units += [file.name] if "{}" in place else []
    machine.write("/usr/bin/kasm-recd", STAND_IN, mode=0o755)
    machine.run("systemd-sysusers")
    machine.run("systemd-tmpfiles", "--create")
    machine.systemctl("daemon-reload")
    return units


def test_the_units_are_understood_and_start_on_systemd_257(trixie: Booted) -> None:
    units = install(trixie)
    assert len(units) == 4
    assert int(trixie.systemctl("--version").split()[1]) >= 257
    verified = trixie.run("systemd-analyze", "verify", *units)
    assert verified.stderr == ""
    for unit in ("kasm-recd.service", "kasm-recd-punch.service"):
        trixie.run("systemd-analyze", "security", "--threshold=15", unit)
    trixie.systemctl("start", "kasm-recd.socket", "kasm-recd-punch.socket", "kasm-recd.service")
    wait_until(
        lambda: trixie.show("kasm-recd.service", "ActiveState") == "active", "the service is up"
    )
    modes = trixie.run("stat", "-c", "%U:%G %a", "/run/kasm-recd-punch.sock").stdout
    assert modes == "kasm-recd:kasm-recd 600\n"
    modes = trixie.run("stat", "-c", "%U:%G %a", "/run/kasm-recd/admission.sock").stdout
    assert modes == "root:kasm-recd 660\n"
