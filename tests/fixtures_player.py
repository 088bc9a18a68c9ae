"""The official player in headless Chromium, as judge of what a recording shows.

guacamole-common-js and playwright-core come from npm, once, into ``.toolbox/player``; Chromium is
Debian's. Where one of these cannot be had, what needs the player is skipped and says so. A browser
that hangs is ended and tried once more; after that nothing asks for one any more in this run.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests import bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE: Final = Path(__file__).parent / "player"
TOOLBOX: Final = Path(__file__).parent.parent / ".toolbox" / "player"
CHROMIUM: Final = "/usr/bin/chromium"
#: Of a whole batch; a test that judges one has the time for two.
DEADLINE_S: Final = 110.0
INSTALL_S: Final = 120.0
ATTEMPTS: Final = 2
#: How the player says that one recording took too long.
LATE: Final = "no answer in"
#: Browsers that one test run may start: more would mean that tests do not share them.
STARTS: Final = 20

_failure: str | None = None


class PlayerUnavailable(Exception):
    """No player on this machine; says why."""


class NoAnswer(Exception):
    """A browser hung, or ended before it had answered; says how."""


@dataclass(frozen=True, slots=True)
class Job:
    """A recording, the positions (ms from its first ``sync``) to show, where pictures may go.

    ``screen`` asks for ``screen.png`` as well: what the page shows at the last position.
    """

    recording: Path
    positions: tuple[int, ...]
    pictures: Path | None = None
    screen: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a browser's ``<video>`` says of a clip: its length in seconds, and its size."""

    duration: float
    width: int
    height: int


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
        self._starts = count(1)
        self._broken: str | None = None

    def shots(self, jobs: Sequence[Job]) -> list[list[Shot]]:
        """For each job, what is shown at each of its positions."""
        said = [
            {
                "recording": str(job.recording),
                "positions": job.positions,
                "pictures": str(job.pictures) if job.pictures else None,
                "screen": job.screen,
            }
            for job in jobs
        ]
        answers = self._ask("shot.mjs", json.dumps(said))
        failed = {
            str(job.recording): answer["error"]
            for job, answer in zip(jobs, answers, strict=False)
            if "error" in answer
        }
        assert failed == {}
        assert len(answers) == len(jobs)
        return [[Shot(**shot) for shot in answer["shots"]] for answer in answers]

    def video(self, clip: Path, positions: Sequence[float], pictures: Path) -> Seen:
        """Seek ``clip`` in a ``<video>`` to each of ``positions`` (seconds), in their order.

        What the n-th one shows is put into ``pictures`` as ``n.png``.
        """
        said = {"clip": str(clip), "positions": positions, "pictures": str(pictures)}
        (answer,) = self._ask("video.mjs", json.dumps([said]))
        assert "error" not in answer, answer["error"]
        return Seen(**answer)

    def _ask(self, script: str, said: str) -> list[dict[str, Any]]:
        trouble: list[str] = []
        while self._broken is None and len(trouble) < ATTEMPTS:
            try:
                return self._start(script, said)
            except NoAnswer as error:
                trouble.append(str(error))
        self._broken = self._broken or "; ".join(trouble)
        pytest.skip(f"NOT JUDGED BY THE OFFICIAL PLAYER: {self._broken}")

    def _start(self, script: str, said: str) -> list[dict[str, Any]]:
        """What one browser answers. Raises NoAnswer."""
        number = next(self._starts)
        assert number <= STARTS, "too many browsers: judge more in one batch"
        profile = self._folder / f"profile-{number}"
        argv = ["node", str(TOOLBOX / script), CHROMIUM, str(profile)]
        try:
            done = bounded.run(argv, said=said, deadline_s=DEADLINE_S, mark=str(profile))
        except subprocess.TimeoutExpired:
            raise NoAnswer(f"no answer in {DEADLINE_S:.0f} s") from None
        finally:
            shutil.rmtree(profile, ignore_errors=True)
        if done.returncode != 0:
            raise NoAnswer(f"it ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        answers: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        for answer in answers:
            if LATE in answer.get("error", ""):
                raise NoAnswer(answer["error"])
        return answers


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install the player before the first test: an installation takes longer than a test may."""
    global _failure  # noqa: PLW0603 - written once, before any test runs
    if session.config.option.collectonly:
        return
    if any("player" in getattr(item, "fixturenames", ()) for item in session.items):
        try:
            _install()
        except PlayerUnavailable as error:
            _failure = str(error)


@pytest.fixture(scope="session")
def player(tmp_path_factory: pytest.TempPathFactory) -> Player:
    """The official player, release 1.5.0."""
    if _failure:
        pytest.skip(f"NOT JUDGED BY THE OFFICIAL PLAYER: {_failure}")
    return Player(tmp_path_factory.mktemp("player"))


def _install() -> None:
    missing = [program for program in ("node", "npm", CHROMIUM) if not shutil.which(program)]
    if missing:
        raise PlayerUnavailable(
            f"{', '.join(missing)} not found: apt-get install chromium nodejs npm"
        )
    TOOLBOX.mkdir(parents=True, exist_ok=True)
    with (TOOLBOX.parent / "player.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for script in SOURCE.glob("*.mjs"):
            shutil.copy(script, TOOLBOX)
        wanted, there = SOURCE / "package.json", TOOLBOX / "package.json"
        if there.exists() and there.read_bytes() == wanted.read_bytes():
            return
        shutil.copy(wanted, TOOLBOX / "package.json.new")
        _fetch(_pinned(wanted))
        (TOOLBOX / "package.json.new").rename(there)


def _fetch(packages: dict[str, str]) -> None:
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--no-save"]
    options += ["--fetch-retries=1", "--fetch-timeout=20000"]
    names = [f"{name}@{version}" for name, version in packages.items()]
    argv = ["npm", "install", *options, "--prefix", str(TOOLBOX), *names]
    try:
        done = bounded.run(argv, said="", deadline_s=INSTALL_S)
    except subprocess.TimeoutExpired:
        raise PlayerUnavailable(f"npm install took more than {INSTALL_S:.0f} s") from None
    if done.returncode != 0:
        raise PlayerUnavailable(f"npm install failed: {done.stderr.strip()[-300:]}")


def _pinned(package: Path) -> dict[str, str]:
    dependencies: dict[str, str] = json.loads(package.read_text())["dependencies"]
    return dependencies
