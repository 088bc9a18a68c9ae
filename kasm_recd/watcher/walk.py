"""The plain files below a folder; nothing else is ever opened, and no symlink is followed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kasm_recd.disk import HIDDEN_PREFIX
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = get_logger(__name__)

#: Somebody's metadata beside a recording; never a recording.
SIDECAR_SUFFIX: Final = ".json"

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Complaints:
    """Says once what is wrong with a path, for as long as it stays wrong."""

    def __init__(self) -> None:
        self._before: set[tuple[str, Path]] = set()
        self._now: set[tuple[str, Path]] = set()

    def about(self, event: str, path: Path, **fields: str) -> None:
        """Logs a warning, unless the round before did."""
        self._now.add((event, path))
        if (event, path) not in self._before:
            log.warning(event, path=str(path), **fields)

    def end_round(self) -> None:
        """What nobody complained about in this round is well again."""
        self._before, self._now = self._now, set()


class Walk:
    """One walk through a folder and all below it.

    Afterwards ``devices`` are the file systems that it came to, and ``complete`` is false when a
    sub-folder could not be read.
    """

    def __init__(self, folder: Path, complaints: Complaints) -> None:
        self._folder = folder
        self._complaints = complaints
        self.complete = True
        self.devices: set[int] = set()

    def files(self) -> Iterator[Path]:
        """Every plain file, sidecars and our own hidden names aside.

        Raises OSError when the folder itself cannot be read. It may be a symlink, nothing below it.
        """
        waiting = self._look_into(self._folder, _FOLDER)
        while waiting:
            path, is_folder = waiting.pop()
            if not is_folder:
                yield path
                continue
            try:
                waiting += self._look_into(path, _FOLDER | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.complete = False
                self._complaints.about("folder.unreadable", path, error=str(error))

    def _look_into(self, folder: Path, flags: int) -> list[tuple[Path, bool]]:
        """The plain files and folders in it; True marks a folder."""
        descriptor = os.open(folder, flags)
        try:
            self.devices.add(os.fstat(descriptor).st_dev)
            with os.scandir(descriptor) as entries:
                return [
                    (path, entry.is_dir(follow_symlinks=False))
                    for entry in entries
                    if self._is_wanted(entry, path := folder / entry.name)
                ]
        finally:
            os.close(descriptor)

    def _is_wanted(self, entry: os.DirEntry[str], path: Path) -> bool:
        if entry.is_symlink():
            self._complaints.about("file.refused", path, reason="it is a symlink")
            return False
        if entry.is_dir(follow_symlinks=False):
            return True
        if not entry.is_file(follow_symlinks=False):
            self._complaints.about("file.refused", path, reason="it is no plain file")
            return False
        return not entry.name.endswith(SIDECAR_SUFFIX) and not entry.name.startswith(HIDDEN_PREFIX)
