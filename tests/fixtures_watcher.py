"""A scanner on a folder, with a clock to turn and a journal made of values."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.clock import Clock
from kasm_recd.states import RecordingState
from kasm_recd.watcher import Patience
from kasm_recd.watcher.hints import Closing
from kasm_recd.watcher.scanner import Scanner
from tests.values import make_recording

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.recording import Recording
    from kasm_recd.watcher import Scan, Sighting

QUIET_S = 30.0
UNSEEN_S = 3600.0


class Lookout:
    """Scans when asked; ``journal`` is what the daemon would say that it knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal: list[Recording] = []
        self._passed_s = 0.0
        self._start()

    def _start(self) -> None:
        self.scanner = Scanner(
            self.folder,
            patience=Patience(closed_s=QUIET_S, unseen_s=UNSEEN_S),
            clock=Clock(realtime=lambda: time.time() + self._passed_s),
            monotonic=self.monotonic,
        )

    def monotonic(self) -> float:
        return time.monotonic() + self._passed_s

    def restart(self) -> None:
        """The daemon was killed: all that is left is the journal."""
        self._start()

    def pass_time(self, seconds: float) -> None:
        self._passed_s += seconds

    def scan(self, *closed: Path) -> Scan:
        """One scan, after writers closed these files."""
        closes = {
            str(path.relative_to(self.folder)): Closing(self.monotonic(), time.time())
            for path in closed
        }
        self.pass_time(0.001)
        return self.scanner.scan(tuple(self.journal), closes)

    def only(self, *closed: Path) -> Sighting:
        """The one recording that there is, by one scan."""
        (sighting,) = self.scan(*closed).sightings
        return sighting

    def note(self, sighting: Sighting, **changes: Any) -> Recording:
        """Takes a sighting into the journal, in the place of what it said of the recording."""
        known = {
            "id": sighting.recording.id if sighting.recording else len(self.journal) + 1,
            "path": str(sighting.path),
            "identity": sighting.identity,
            "lock_seen": sighting.lock_seen,
            "state": RecordingState.GROWING,
        }
        recording = make_recording(**(known | changes))
        self.journal = [each for each in self.journal if each.id != recording.id] + [recording]
        return recording

    def change(self, recording: Recording, **changes: Any) -> None:
        self.journal = [
            replace(each, **changes) if each.id == recording.id else each for each in self.journal
        ]


@pytest.fixture
def lookout(tmp_path: Path) -> Lookout:
    folder = tmp_path / "recordings"
    folder.mkdir()
    return Lookout(folder)
