"""The punching helper: ``kasm-recd punch-helper``, started by its socket, as guacd's user.

guacd's files are its user's alone to write (0640), and a hole is a write. So this small program has
that user, and no network; it takes one order from one peer: make a hole of what is consumed. It
opens recordings by name beneath one folder, follows no link on the way, and leaves alone what is
not the file that the daemon means, the first 4,096 bytes, and whatever is not consumed.
"""

from __future__ import annotations

import errno
import os
import pwd
import select
import socket
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from kasm_recd.disk.helper import LINE, Order, answer
from kasm_recd.disk.punching import make_hole
from kasm_recd.errors import OperatorError, RecordingChanged

IDLE_S: Final = 60.0  # it ends then; systemd starts it again when it is asked
PEER_S: Final = 5.0  # for an order to be said, and its answer to be heard
_FIRST: Final = 3  # systemd's first descriptor, sd_listen_fds(3)
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def run(recordings: Path, peer: str, *, idle_s: float = IDLE_S) -> int:
    """Answers on systemd's socket until nobody asked for ``idle_s`` seconds.

    Raises OperatorError where there is no such socket or no user ``peer``.
    """
    if os.environ.get("LISTEN_FDS") != "1":
        hint = "systemctl start kasm-recd-punch.socket"
        raise OperatorError("punch-helper is started by its socket", hint=hint)
    try:
        uid = pwd.getpwnam(peer).pw_uid
    except KeyError:
        raise OperatorError(f"there is no user {peer}") from None
    with socket.socket(fileno=_FIRST) as listener:
        serve(listener, recordings, uid, idle_s=idle_s)
    return 0


def serve(listener: socket.socket, recordings: Path, uid: int, *, idle_s: float) -> None:
    """One peer after the other; one that breaks off or dawdles is dropped."""
    while select.select([listener], [], [], idle_s)[0]:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PEER_S)
            try:
                connection.sendall(_serve_one(connection, recordings, uid))
            except OSError:
                continue


def _serve_one(connection: socket.socket, recordings: Path, uid: int) -> bytes:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    if _CREDENTIALS.unpack(raw)[1] != uid:
        return answer("refused", "you are not the daemon", errno.EPERM)
    line = connection.makefile("rb").readline(LINE)
    try:
        obey(Order.from_line(line), recordings)
    except ValueError as error:
        return answer("refused", str(error), errno.EPERM)
    except RecordingChanged as error:
        return answer("changed", str(error))
    except OSError as error:
        return answer("failed", error.strerror or str(error), error.errno or errno.EIO)
    return answer("punched")


def obey(order: Order, recordings: Path) -> None:
    """Makes the hole.

    Raises:
        ValueError: it is not in ``recordings``, or not all consumed.
        RecordingChanged: another file lies there.
        OSError: it cannot be opened, a link is on the way, or there are no holes here.
    """
    if not 0 <= order.start <= order.end <= order.consumed:
        raise ValueError(f"bytes {order.start} to {order.end} are not all consumed")
    path = Path(order.path)
    if ".." in path.parts or not path.is_relative_to(recordings):
        raise ValueError(f"{order.path} is not in {recordings}")
    *folders, name = path.relative_to(recordings).parts or ("",)
    with ExitStack() as opened:
        folder = os.open(recordings, _FOLDER)
        opened.callback(os.close, folder)
        for each in folders:
            folder = os.open(each, _FOLDER, dir_fd=folder)
            opened.callback(os.close, folder)
        descriptor = os.open(name, _FILE, dir_fd=folder)
        opened.callback(os.close, descriptor)
        make_hole(descriptor, order.identity, order.start, order.end, order.path)
