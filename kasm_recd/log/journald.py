"""Events to journald's own socket, each field by itself: ``journalctl KASM_ID=…``.

The protocol is systemd's "Native Journal Protocol": one datagram an entry, in it ``NAME=value`` and
a newline, or, for a value with a newline in it, ``NAME``, a newline, the value's length as 64 bits
little-endian, the value, a newline. An entry too large for a datagram goes as a sealed memfd.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import functools
import json
import os
import re
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

from kasm_recd.log.lines import OTHER_PRIORITY, PRIORITIES
from kasm_recd.log.secrets import blotted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.typing import EventDict

SOCKET: Final = Path("/run/systemd/journal/socket")
#: A journal that does not read may keep the event loop for as long as this, once.
PATIENCE_S: Final = 0.25

_NAME_LENGTH: Final = 64  # journald drops longer names
#: Names that mean something else to the journal, and what carries our fields of these names.
_TAKEN: Final = {"MESSAGE", "PRIORITY", "TIMESTAMP", "LEVEL"}
_NOT_TOLD: Final = {"event", "timestamp", "level", "message_id", "module", "error_class", "hint"}
_SAYS_IT: Final = ("error", "message", "warning")
_TOO_LARGE: Final = {errno.EMSGSIZE, errno.ENOBUFS}
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def is_journal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether ``stream`` is journald's own socket, by systemd's ``$JOURNAL_STREAM``."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Journald:
    """The journal at ``path``; ``fallback`` takes what its socket does not.

    A journal that stopped reading costs one short wait and then nothing: what it does not take is
    dropped, for stdout would hang as well, and the next entry says how many were.
    """

    def __init__(self, path: Path, *, fallback: Callable[[EventDict], None]) -> None:
        self._path = str(path)
        self._fallback = fallback
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * 1024 * 1024)
        self._lock = threading.Lock()
        self._patience_s = PATIENCE_S
        self._dropped = 0

    def write(self, event: EventDict) -> None:
        """Sends one described event."""
        with self._lock:
            more = {"lines_dropped": self._dropped} if self._dropped else {}
            try:
                self._send(entry({**event, **more}))
            except (TimeoutError, BlockingIOError):
                self._dropped += 1
                self._patience_s = 0.0
            except OSError:  # it is being restarted
                self._fallback(event)
            else:
                self._dropped = 0
                self._patience_s = PATIENCE_S

    def close(self) -> None:
        """Gives the socket up."""
        self._socket.close()

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(self._patience_s)
        try:
            self._socket.sendto(data, self._path)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            self._send_as_file(data)

    def _send_as_file(self, data: bytes) -> None:
        with open(  # noqa: PTH123 - a descriptor
            os.memfd_create("kasm-recd-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "wb"
        ) as file:
            file.write(data)
            file.flush()
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))
            self._socket.sendmsg([b""], [rights], 0, self._path)


def entry(event: EventDict) -> bytes:
    """A described event as an entry of the journal."""
    found = structlog.processors.format_exc_info(None, "", dict(event))
    priority = PRIORITIES.get(event["level"], OTHER_PRIORITY)
    parts = [
        _field("MESSAGE", blotted(told(found))),
        b"PRIORITY=%d\nSYSLOG_IDENTIFIER=kasm-recd\n" % priority,
    ]
    for name, value in found.items():
        if name not in ("timestamp", "level") and (known := journal_name(name)):
            parts.append(_field(known, blotted(_text(value))))
    return b"".join(parts)


def told(event: Mapping[str, Any]) -> str:
    """An event in one line for people; behind it its traceback, if it has one."""
    says = next((name for name in _SAYS_IT if name in event), None)
    words = [f"{event['event']}: {_shown(event[says])}" if says else str(event["event"])]
    words += [
        f"{_shown(name)}={_quoted(_shown(value))}"
        for name, value in event.items()
        if name not in _NOT_TOLD and name not in (says, "exception")
    ]
    if hint := event.get("hint"):
        words.append(f"- {_shown(hint)}")
    if exception := event.get("exception"):
        words.append(f"\n{exception}")
    return " ".join(words)


@functools.lru_cache(maxsize=1024)
def journal_name(name: str) -> str:
    """The journal's name for a field, in its alphabet; empty where none is left."""
    known = re.sub(r"[^A-Z0-9_]", "_", name.upper()).lstrip("_0123456789")[:_NAME_LENGTH]
    return f"RECD_{known}"[:_NAME_LENGTH] if known in _TAKEN else known


def _field(name: str, text: str) -> bytes:
    value = text.encode(errors="backslashreplace")
    if b"\n" in value:
        length = len(value).to_bytes(8, "little")
        return b"%s\n%s%s\n" % (name.encode(), length, value)
    return b"%s=%s\n" % (name.encode(), value)


def _text(value: Any) -> str:
    """As it is searched for: texts and numbers as they are, the rest as JSON."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    return json.dumps(value, default=str)


def _shown(value: Any) -> str:
    """On one line, and nothing in it that a terminal obeys."""
    text = _text(value)
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _quoted(text: str) -> str:
    return f'"{text}"' if not text or " " in text else text
