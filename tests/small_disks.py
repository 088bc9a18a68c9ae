"""File systems of a few megabytes, for what happens on a disk that is full."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def mounted(folder: Path, options: str, *, of: str) -> Iterator[Path]:
    """A tmpfs with mount ``options`` such as ``size=16m`` on ``folder``, which is made.

    Where that needs rights that we do not have, the test is skipped: nothing ``of`` it was tested.
    """
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0:
        pytest.skip(f"NOTHING OF {of} WAS TESTED: mounting a tmpfs needs root")
    if subprocess.run(mount, check=False, capture_output=True, timeout=30).returncode:
        pytest.skip(f"NOTHING OF {of} WAS TESTED: no right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


def fill(folder: Path, *, leave: int) -> Path:
    """Fills the disk up to ``leave`` bytes; the file to delete for room."""
    filler = folder / "filler"
    found = os.statvfs(folder)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - leave)
    return filler


def fill_to_the_last_byte(folder: Path) -> Path:
    """Fills the disk whatever else takes its room meanwhile; the file to delete for room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        piece = 1 << 20
        while piece:
            try:
                file.write(bytes(piece))
            except OSError:
                piece //= 2
    return filler
