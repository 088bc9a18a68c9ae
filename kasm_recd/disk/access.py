"""May a user make a file in a folder? As the kernel would judge, without being that user.

The rules are the kernel's (``acl_permission_check`` and ``posix_acl_permission``): the owner's bits
for the owner; else the POSIX ACL, where there is one and the group bits (its mask) are not empty;
else the group's bits for a member, and the others' for everybody else. Root passes them all. The
ACL's form is ``linux/posix_acl_xattr.h``'s.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kasm_recd.disk.space import free

if TYPE_CHECKING:
    from pathlib import Path

READ, WRITE, SEARCH = 4, 2, 1
ACL: Final = "system.posix_acl_access"
NO_ACL: Final = (errno.ENODATA, errno.EOPNOTSUPP)
USER, GROUP_OBJ, GROUP, MASK = 0x02, 0x04, 0x08, 0x10
_HEADER: Final = struct.Struct("<I")  # version, 2
_ENTRY: Final = struct.Struct("<HHI")  # tag, permissions, id


@dataclass(frozen=True, slots=True)
class Ids:
    """Who a process is to the kernel: user, and all groups."""

    uid: int
    gids: frozenset[int]

    def __str__(self) -> str:
        return f"uid {self.uid}"


def obstacle(folder: Path, who: Ids) -> str | None:
    """What keeps ``who`` from making a file in ``folder``, in a sentence; None: nothing does."""
    for parent in reversed(folder.absolute().parents):
        if found := _refused(parent, who, SEARCH):
            return f"{found}, so it does not reach {folder}."
    if found := _refused(folder, who, WRITE | SEARCH):
        return f"{found}."
    try:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return f"{folder} lies on a file system that is mounted read-only."
        room = free(folder)
    except OSError as error:
        return f"The file system of {folder} cannot be looked at: {error.strerror}."
    if room.inodes_total and not room.inodes_free:
        return f"The file system of {folder} has no free inode."
    return None


def _refused(folder: Path, who: Ids, wanted: int) -> str | None:
    try:
        status = folder.stat()
        acl = _acl(folder)
    except OSError as error:
        return f"{folder} cannot be looked at ({error.strerror})"
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is no folder"
    if granted(status, acl, who, wanted):
        return None
    verb = "write into" if wanted & WRITE else "pass through"
    mode = stat.filemode(status.st_mode) + ("+" if acl else "")
    return f"{who} may not {verb} {folder} ({mode} {status.st_uid}:{status.st_gid})"


def granted(status: os.stat_result, acl: list[tuple[int, int, int]], who: Ids, wanted: int) -> bool:
    """Whether a folder of this status and ACL (tag, permissions, id) grants all of ``wanted``."""
    mode = stat.S_IMODE(status.st_mode)
    if who.uid == 0:
        return True
    if who.uid == status.st_uid:
        return _covers(mode >> 6, wanted)
    if acl and mode & stat.S_IRWXG and (said := _by_acl(acl, status, who, wanted)) is not None:
        return said
    return _covers(mode >> 3 if status.st_gid in who.gids else mode, wanted)


def _by_acl(
    acl: list[tuple[int, int, int]], status: os.stat_result, who: Ids, wanted: int
) -> bool | None:
    """What an entry of the ACL says to a user who is not the owner; None where none is about it."""
    mask = next((perm for tag, perm, _ in acl if tag == MASK), READ | WRITE | SEARCH)
    for tag, perm, of in acl:
        if tag == USER and of == who.uid:
            return _covers(perm & mask, wanted)
    mine = [
        perm
        for tag, perm, of in acl
        if (tag == GROUP_OBJ and status.st_gid in who.gids) or (tag == GROUP and of in who.gids)
    ]
    if mine:
        return any(_covers(perm & mask, wanted) for perm in mine)
    others = status.st_mode & stat.S_IRWXO
    return _covers(others, wanted)


def _covers(permissions: int, wanted: int) -> bool:
    return permissions & wanted == wanted


def _acl(folder: Path) -> list[tuple[int, int, int]]:
    try:
        raw = os.getxattr(folder, ACL)
    except OSError as error:
        if error.errno in NO_ACL:
            return []
        raise
    return list(_ENTRY.iter_unpack(raw[_HEADER.size :]))
