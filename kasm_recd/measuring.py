"""What only a look at the disks can tell; for a thread, since a look may hang.

The order counts: what live recordings take is measured before the room is, so that what guacd
writes in between is missing from the room and never from what is still needed.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kasm_recd import disk
from kasm_recd.admission import Facts, Room
from kasm_recd.errors import EncoderMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kasm_recd.encoder import Encoder
    from kasm_recd.journal import Live
    from kasm_recd.settings import Settings

BLOCK: int = 512  # bytes of st_blocks, whatever the file system's own are


@dataclass(frozen=True, slots=True)
class Measured:
    """Facts, and the size of each live recording by its id."""

    facts: Facts
    sizes: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))


def measure(settings: Settings, encoders: Mapping[str, Encoder], live: Sequence[Live]) -> Measured:
    """The facts of now; ``live`` is what the journal knows to be no segment yet."""
    at = time.monotonic()
    uncut, sizes = _sizes(live)
    return Measured(
        Facts(
            at=at,
            recording_dir=str(settings.recording_dir),
            live=uncut,
            recording_room=_room(settings.recording_dir),
            spool_room=_room(settings.spool_dir),
            min_free=settings.min_free,
            disk_limit=settings.session_recording_guac_disk_limit,
            reserve=settings.reserve,
            recording_dir_error=_folder_error(settings.recording_dir, settings.guacd_user),
            storage_error=_storage_error(settings),
            encoder_error=_encoder_error(settings, encoders),
        ),
        sizes,
    )


def _sizes(live: Sequence[Live]) -> tuple[dict[str, int], dict[int, int]]:
    """``kasm_id`` -> bytes that its uncut part takes; recording -> size. Unseen files take none."""
    uncut: dict[str, int] = {}
    sizes: dict[int, int] = {}
    for recording in live:
        uncut.setdefault(recording.kasm_id, 0)
        try:
            status = os.lstat(recording.path)
        except (OSError, ValueError):
            continue
        sizes[recording.id] = status.st_size
        uncut[recording.kasm_id] += max(
            0, min(status.st_blocks * BLOCK, status.st_size - recording.consumed)
        )
    return uncut, sizes


def _room(folder: Path) -> Room | None:
    try:
        found = disk.free(folder)
        device = folder.stat().st_dev
    except OSError:
        return None
    return Room(
        str(folder),
        found.available,
        found.used_fraction,
        device,
        found.inodes_free,
        found.inodes_total,
    )


def _folder_error(folder: Path, guacd_user: str) -> str | None:
    """Whether guacd can make recordings here, and the daemon cut and remove them."""
    try:
        status = folder.stat()
    except OSError as error:
        return f"The recording folder {folder} does not exist ({error.strerror})."
    if not stat.S_ISDIR(status.st_mode):
        return f"The recording folder {folder} does not exist: there is something else."
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"The daemon cannot read and write the recording folder {folder}."
    who = ids_of(guacd_user or str(status.st_uid))
    if who is None:
        return f"There is no user {guacd_user} (guacd_user)."
    return f"guacd cannot record: {found}" if (found := disk.obstacle(folder, who)) else None


def ids_of(user: str) -> disk.Ids | None:
    """A user's ids by name or number; a number that nobody has is in no group. None: no such."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        return disk.Ids(int(user), frozenset()) if user.isdecimal() else None
    groups = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return disk.Ids(entry.pw_uid, groups)


def uids_of(names: Iterable[str]) -> frozenset[int]:
    """Numbers of the users that there are."""
    return frozenset(who.uid for name in names if (who := ids_of(name)))


def gids_of(names: Iterable[str]) -> frozenset[int]:
    """Numbers of the groups that there are."""
    known = {entry.gr_name: entry.gr_gid for entry in grp.getgrall()}
    return frozenset(
        int(name) if name.isdecimal() else known[name]
        for name in names
        if name.isdecimal() or name in known
    )


def _storage_error(settings: Settings) -> str | None:
    """A folder must be there or makeable; whether a bucket answers is the uploads' business."""
    target = settings.location.target
    if target.scheme != "file":
        return None
    folder = Path(target.folder)
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return f"Clips cannot be stored in {target.folder}: {folder} is not writable."
    return None


def _encoder_error(settings: Settings, encoders: Mapping[str, Encoder]) -> str | None:
    wanted = "native" if settings.encoder == "auto" else settings.encoder
    try:
        encoders[wanted].available()
    except EncoderMissing as error:
        return f"{error} ({error.hint})"
    return None
