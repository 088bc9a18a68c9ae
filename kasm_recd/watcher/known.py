"""The journal's recordings, to be found again by the file that they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kasm_recd import disk
from kasm_recd.states import RecordingState
from kasm_recd.watcher.sighting import Loss

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kasm_recd.disk import Status
    from kasm_recd.recording import Identity, Recording


class Known:
    """An index for one scan; it notes which recordings were seen and which are lost."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self._unseen: dict[int, Recording] = {}
        self._by_file: dict[tuple[int, int], list[Recording]] = {}
        self.lost: dict[int, Loss] = {}
        for recording in recordings:
            self._unseen[recording.id] = recording
            identity = recording.identity
            place = self._by_file.setdefault((identity.inode, identity.birth_ns), [])
            place.append(recording)

    def match(self, status: Status, descriptor: int) -> Recording | None:
        """The recording that this file is, by device, inode and birth time.

        Some file systems come back from a restart under another device number; there the birth
        time and the head have to agree. Where two are told to be this file the later one is.
        """
        found = self._by_file.get((status.inode, status.birth_ns), [])
        here = [each for each in found if each.identity.device == status.device]
        if not here and status.birth_ns:
            here = [each for each in found if is_unchanged(each.identity, status, descriptor)]
        for recording in here:
            self._unseen.pop(recording.id, None)
        newest = max(here, key=lambda each: each.id, default=None)
        for recording in here:
            if recording is not newest:
                self.lost[recording.id] = Loss.REPLACED
        return newest

    def see_at(self, path: Path) -> None:
        """The recording at ``path`` is there, though it cannot be looked at."""
        for recording in list(self._unseen.values()):
            if recording.path == str(path):
                del self._unseen[recording.id]

    def unseen(self) -> list[Recording]:
        """The growing and finished recordings that were not found; a drained one may be gone."""
        wanted = (RecordingState.GROWING, RecordingState.FINISHED)
        return [each for each in self._unseen.values() if each.state in wanted]


def is_unchanged(identity: Identity, status: Status, descriptor: int) -> bool:
    """Whether the file still begins as it did; its device number may have changed."""
    found = disk.identify(descriptor, head_length=identity.head_length)
    return disk.is_same_file(replace(identity, device=status.device), found)
