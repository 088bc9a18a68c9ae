"""Who is at the other end of the socket, by the kernel's word, and who may be."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from dataclasses import dataclass
from typing import Final

_UCRED: Final = struct.Struct("iII")  # struct ucred: pid_t, uid_t, gid_t
_GID: Final = struct.Struct("I")
SO_PEERGROUPS: Final = 59  # asm-generic/socket.h; Python has no name for it
MOST_GROUPS: Final = 65536  # NGROUPS_MAX


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected; ``groups`` are its supplementary ones."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int] = frozenset()

    def log_context(self) -> dict[str, int]:
        """What a log line says of it."""
        return {"pid": self.pid, "uid": self.uid, "gid": self.gid}


#: Of a peer that has hung up already: nobody.
GONE: Final = Peer(0, -1, -1)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Users and groups that may ask; both empty: whoever the socket's mode lets in.

    Root and the daemon's own user always may: that is ``kasm-recd status``.
    """

    uids: frozenset[int] = frozenset()
    gids: frozenset[int] = frozenset()

    def admits(self, peer: Peer) -> bool:
        """Whether this peer may ask."""
        if not (self.uids or self.gids) or peer.uid in (0, os.getuid()):
            return True
        return peer.uid in self.uids or not self.gids.isdisjoint({peer.gid, *peer.groups})


def peer_of(connection: socket.socket) -> Peer:
    """SO_PEERCRED and SO_PEERGROUPS of a Unix socket; raises OSError where it is none."""
    ids = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    groups = b""
    with contextlib.suppress(OSError):  # a kernel before 4.13
        groups = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, MOST_GROUPS * _GID.size)
    pid, uid, gid = _UCRED.unpack(ids)
    return Peer(pid, uid, gid, frozenset(group for (group,) in _GID.iter_unpack(groups)))
