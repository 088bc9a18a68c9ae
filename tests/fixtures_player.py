"""The official player in headless Chromium, as judge of what a recording shows.

guacamole-common-js and playwright-core come from npm, once, into ``.toolbox/player``; Chromium is
Debian's. Where one of these cannot be had, what needs the player is skipped and says so.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE: Final = Path(__file__).parent / "player"
TOOLBOX: Final = Path(__file__).parent.parent / ".toolbox" / "player"
CHROMIUM: Final = "/usr/bin/chromium"
#: Of a whole batch; the player gives up on one recording before that.
DEADLINE_S: Final = 240


@dataclass(frozen=True, slots=True)
class Job:
    """A recording, the positions (ms from its first ``sync``) to show, where pictures may go."""

    recording: Path
    positions: tuple[int, ...]
    pictures: Path | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """What is shown at one position: size, digests of the picture and of the pointer's picture."""

    width: int
    height: int
    sha256: str
    cursor: str


class Player:
    """Plays recordings; one browser for each batch of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def shots(self, jobs: Sequence[Job]) -> list[list[Shot]]:
        """For each job, what is shown at each of its positions."""
        said = [
            {
                "recording": str(job.recording),
                "positions": job.positions,
                "pictures": str(job.pictures) if job.pictures else None,
            }
            for job in jobs
        ]
        profile = self._folder / "profile"
        done = subprocess.run(
            ["node", TOOLBOX / "shot.mjs", CHROMIUM, profile],
            input=json.dumps(said),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        shutil.rmtree(profile, ignore_errors=True)
        assert done.returncode == 0, done.stderr
        answers: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        assert [answer for answer in answers if "error" in answer] == []
        return [[Shot(**shot) for shot in answer["shots"]] for answer in answers]


@pytest.fixture(scope="session")
def player(tmp_path_factory: pytest.TempPathFactory) -> Player:
    """The official player, release 1.5.0."""
    missing = [program for program in ("node", "npm", CHROMIUM) if not shutil.which(program)]
    if missing:
        _skip(f"{', '.join(missing)} not found: apt-get install chromium nodejs npm")
    _install()
    return Player(tmp_path_factory.mktemp("player"))


def _skip(reason: str) -> None:
    pytest.skip(f"the official player cannot be had: {reason}")


def _install() -> None:
    TOOLBOX.mkdir(parents=True, exist_ok=True)
    with (TOOLBOX.parent / "player.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copy(SOURCE / "shot.mjs", TOOLBOX)
        wanted, there = SOURCE / "package.json", TOOLBOX / "package.json"
        if there.exists() and there.read_bytes() == wanted.read_bytes():
            return
        shutil.copy(wanted, TOOLBOX / "package.json.new")
        npm = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        packages = [f"{name}@{version}" for name, version in _pinned(wanted).items()]
        done = subprocess.run(
            [*npm, "--prefix", TOOLBOX, "--no-save", *packages],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            _skip(f"npm install failed: {done.stderr.strip()[-300:]}")
        (TOOLBOX / "package.json.new").rename(there)


def _pinned(package: Path) -> dict[str, str]:
    dependencies: dict[str, str] = json.loads(package.read_text())["dependencies"]
    return dependencies
