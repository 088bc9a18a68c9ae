"""The listening Unix socket: bound by us, or handed over by systemd."""

from __future__ import annotations

import errno
import os
import socket
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kasm_recd.errors import SocketTaken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BACKLOG: Final = 4096  # beyond it a connect fails at once with EAGAIN
CLOSED_TO_OTHERS: Final = 0o117  # umask that leaves 0660
FIRST_HANDED_OVER: Final = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket; ``path`` and its device and inode are set where we bound it."""

    socket: socket.socket
    path: Path | None = None
    device: int = 0
    inode: int = 0

    def close(self) -> None:
        """Close the socket, and remove its file if it is still the one that we made."""
        self.socket.close()
        if self.path is None:
            return
        try:
            status = self.path.lstat()
            if (status.st_dev, status.st_ino) == (self.device, self.inode):
                self.path.unlink()
        except FileNotFoundError:
            pass


def listen(path: Path) -> Listener:
    """Listen at ``path``, mode 0660 from the first moment.

    A file that a crash left is removed, but only a socket on which nobody answers.

    Raises:
        SocketTaken: somebody answers, or no socket can be made there.
    """
    _remove_leftover(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        umask = os.umask(CLOSED_TO_OTHERS)
        try:
            listening.bind(str(path))
        finally:
            os.umask(umask)
        listening.listen(BACKLOG)
        status = path.lstat()
    except OSError as error:
        listening.close()
        raise SocketTaken(f"cannot listen on {path}: {error.strerror or error}") from None
    return Listener(listening, path, status.st_dev, status.st_ino)


def handed_over(environ: Mapping[str, str]) -> Listener | None:
    """The socket that systemd listens on for us (sd_listen_fds(3)); None without one.

    Raises:
        SocketTaken: what was handed over is no listening Unix socket.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()) or environ.get("LISTEN_FDS", "0") == "0":
        return None
    try:
        handed = socket.socket(fileno=FIRST_HANDED_OVER)
    except OSError as error:
        raise SocketTaken(f"systemd handed over no socket: {error.strerror}") from None
    handed.set_inheritable(False)
    listens = handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if handed.family != socket.AF_UNIX or handed.type != socket.SOCK_STREAM or not listens:
        handed.close()
        raise SocketTaken("systemd handed over something else than a listening Unix stream socket")
    return Listener(handed)


def _remove_leftover(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SocketTaken(f"cannot look at {path}: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise SocketTaken(f"{path} is no socket, so it is not removed")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        result = probe.connect_ex(str(path))
    # A full backlog says EAGAIN: somebody listens there, however slowly.
    if result != errno.ECONNREFUSED:
        raise SocketTaken(f"somebody answers on {path}" if result == 0 else f"{path} is in use")
    path.unlink(missing_ok=True)
