"""What file systems can do, tried on a file without a name: nobody sees it, nothing is left."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kasm_recd import disk
from kasm_recd.doctor.finding import error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kasm_recd.doctor.finding import Finding
    from kasm_recd.settings import Settings

SIZE: Final = 1 << 20
#: FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE of linux/falloc.h.
_PUNCH: Final = 1 | 2
_ASKS: Final = """
import sys
from kasm_recd.disk import lock_of
sys.exit(0 if lock_of(int(sys.argv[1])) else 1)
"""
DEADLINE_S: Final = 30.0


def features(folder: Path, name: str) -> Iterator[Finding]:
    """Holes, POSIX locks and leases in ``folder``; ``name`` is the setting's."""
    try:
        with _nameless(folder) as descriptor:
            found = [
                *_holes(descriptor, folder, name),
                *_locks(descriptor, folder, name),
                *_leases(descriptor, folder, name),
            ]
    except OSError as trouble:
        yield note(
            f"filesystem.{name}",
            f"{folder} cannot be tried: {trouble.strerror}",
            "Run doctor as root, or as the daemon's user.",
        )
        return
    yield from found or [ok(f"filesystem.{name}", f"{folder} has holes, locks and leases")]


@contextmanager
def _nameless(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _holes(descriptor: int, folder: Path, name: str) -> Iterator[Finding]:
    os.write(descriptor, b"x" * SIZE)
    os.fsync(descriptor)
    before = os.fstat(descriptor).st_blocks
    libc = ctypes.CDLL(None, use_errno=True)
    start, length = ctypes.c_longlong(0), ctypes.c_longlong(SIZE)
    failed = libc.fallocate(descriptor, _PUNCH, start, length)
    if failed or os.fstat(descriptor).st_blocks >= before:
        yield warning(
            f"filesystem.{name}.holes",
            f"{folder} is on a file system without holes: a live session's disk comes back only "
            "when it ends",
            "Use ext4, xfs, btrfs or tmpfs; size the disk for whole sessions otherwise.",
        )


def _locks(descriptor: int, folder: Path, name: str) -> Iterator[Finding]:
    """A process of its own has to see our lock, as the daemon has to see guacd's."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the call's only way
        seen = subprocess.run(
            [sys.executable, "-c", _ASKS, str(descriptor)],
            pass_fds=[descriptor],
            check=False,
            timeout=DEADLINE_S,
            capture_output=True,
        )
        lacking = seen.returncode != 0
    except OSError:
        lacking = True
    if lacking:
        yield error(
            f"filesystem.{name}.locks",
            f"POSIX locks cannot be seen in {folder}: nobody can tell when a recording is finished",
            "Use a local file system, the same for guacd and the daemon; NFS needs its lock "
            "service, and no 'nolock'.",
        )


def _leases(descriptor: int, folder: Path, name: str) -> Iterator[Finding]:
    reading = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(reading, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as trouble:
        # EAGAIN is the right answer here: we ourselves have it open for writing.
        if trouble.errno != errno.EAGAIN:
            yield note(
                f"filesystem.{name}.leases",
                f"{folder} has no leases: who writes to a file without a lock cannot be seen",
                "Nothing, where guacd is of a release that locks its recordings.",
            )
    finally:
        os.close(reading)


def room(settings: Settings) -> Iterator[Finding]:
    """Free space and inodes against what the settings keep free."""
    for name in ("recording_dir", "spool_dir"):
        folder = getattr(settings, name)
        there = next(path for path in (folder, *folder.parents) if path.exists())
        found = disk.free(there)
        check, shown = f"room.{name}", f"{found.available / 1e9:.1f} GB of {found.total / 1e9:.1f}"
        if found.total < settings.min_free:
            yield error(
                check,
                f"min_free ({settings.min_free} bytes) is more than the disk of {folder} has in "
                f"all ({found.total}): every recorded session is refused",
                "Lower min_free, or use a larger disk.",
            )
        elif found.available < settings.min_free:
            yield error(
                check,
                f"{shown} are free for {folder}, less than min_free: sessions are refused",
                "Free disk, or see why uploads are behind: kasm-recd status.",
            )
        elif found.used_fraction > settings.session_recording_guac_disk_limit:
            yield error(
                check,
                f"{found.used_fraction:.0%} of the disk of {folder} is used: sessions are refused",
                "Free disk, or raise session_recording_guac_disk_limit.",
            )
        elif found.inodes_total and found.inodes_free < found.inodes_total // 20:
            yield warning(
                check, f"{folder} has {found.inodes_free} free inodes", "Remove many small files."
            )
        else:
            yield ok(check, f"{shown} are free for {folder}")
    yield from _same_disk(settings)


def _same_disk(settings: Settings) -> Iterator[Finding]:
    spool = next(p for p in (settings.spool_dir, *settings.spool_dir.parents) if p.exists())
    found = disk.free(spool)
    if settings.ballast_size > found.available:
        yield warning(
            "room.ballast",
            f"ballast_size ({settings.ballast_size} bytes) does not fit on the disk of "
            f"{settings.spool_dir}: {found.available} bytes are free",
            "Lower ballast_size, or free disk.",
        )
    recordings = settings.recording_dir
    if recordings.exists() and recordings.stat().st_dev != spool.stat().st_dev:
        yield note(
            "room.two_disks",
            "recording_dir and spool_dir are on different file systems: the ballast is kept on the "
            "spool's alone",
            "Watch the recording folder's disk (kasm_recd_disk_free_bytes).",
        )
