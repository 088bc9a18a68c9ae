"""A real systemd, booted on a throw-away overlay by ``tests/system/boot``, and what to ask it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BOOT: Final = Path(__file__).parent / "system" / "boot"
COMMAND_S: Final = 60.0


class NotBooted(Exception):
    """No systemd can be booted here; says why."""


@dataclass(frozen=True, slots=True)
class Booted:
    """A booted systemd; ``pid`` is its PID 1 as this machine sees it."""

    name: str
    pid: int

    @classmethod
    def boot(cls, name: str, lower: Path = Path("/")) -> Booted:
        """Boots it; raises NotBooted."""
        try:
            done = subprocess.run(
                [BOOT, lower, name], capture_output=True, text=True, timeout=COMMAND_S, check=True
            )
            return cls(name, int(done.stdout))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            cls(name, 0).stop()
            said = (getattr(error, "stderr", None) or "").strip()[-400:]
            raise NotBooted(f"no systemd can be booted here: {error} {said}") from error

    def stop(self) -> None:
        """Ends it, with all that runs in it."""
        subprocess.run([BOOT, "--stop", self.name], timeout=COMMAND_S, check=False)

    @property
    def root(self) -> Path:
        """Its root folder, seen from here."""
        return Path(f"/proc/{self.pid}/root")

    def inside(self, *argv: str) -> list[str]:
        """The command line that runs ``argv`` inside."""
        return ["nsenter", "-t", str(self.pid), "-a", "-r", "-w", *argv]

    def run(
        self, *argv: str, check: bool = True, timeout_s: float = COMMAND_S
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``argv`` inside; with ``check`` a failure says what it said."""
        done = subprocess.run(
            self.inside(*argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def systemctl(self, *argv: str) -> str:
        """What ``systemctl`` says; it must succeed."""
        return self.run("systemctl", *argv).stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--value", "-p", name, unit)

    def main_pid(self, unit: str) -> int:
        """The unit's main process, as it is numbered inside; 0 where there is none."""
        return int(self.show(unit, "MainPID"))

    def processes(self, unit: str) -> list[int]:
        """The pids of all that runs in a unit, as this machine numbers them."""
        listed = self.root / f"sys/fs/cgroup/system.slice/{unit}/cgroup.procs"
        return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []

    def events(self, name: str, *matches: str) -> list[dict[str, Any]]:
        """Journal entries of one of our events."""
        lines = self.run("journalctl", "-o", "json", "--no-pager", f"EVENT={name}", *matches).stdout
        return [json.loads(line) for line in lines.splitlines()]

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Writes a file inside."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
