"""Asking the punching helper: it is guacd's user, may write to guacd's files, and does one thing.

One line of JSON each way over a Unix socket: the order, and what came of it. The helper itself is
:mod:`kasm_recd.puncher`; here is what both sides must agree on.
"""

from __future__ import annotations

import contextlib
import errno
import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kasm_recd.errors import RecordingChanged
from kasm_recd.recording import Identity

#: Where ``kasm-recd-punch.socket`` listens.
PUNCH_SOCKET: Final = Path("/run/kasm-recd-punch.sock")
LINE: Final = 16 * 1024  # bytes of an order or an answer, at most
PATIENCE_S: Final = 30.0  # the helper may have to be started first


@dataclass(frozen=True, slots=True)
class Order:
    """Make a hole of bytes ``start`` to ``end`` of the file at ``path``, which is ``identity``."""

    path: str
    identity: Identity
    start: int
    end: int
    consumed: int

    def to_line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Order:
        """As it was sent; raises ValueError, whatever is wrong with it."""
        try:
            found = json.loads(line)
            identity = Identity(**found.pop("identity"))
            order = cls(identity=identity, **found)
            for name in ("start", "end", "consumed"):
                if type(getattr(order, name)) is not int:
                    raise ValueError(f"{name} is no whole number")
            if not isinstance(order.path, str):
                raise ValueError("path is no text")  # noqa: TRY004 - one error for a bad order
        except (TypeError, AttributeError, LookupError) as error:
            raise ValueError(f"no such order: {error}") from error
        return order


def ask(helper: Path, order: Order) -> None:
    """Has the helper do it.

    Raises:
        RecordingChanged: another file lies there.
        OSError: there is no helper, it refused, or it could not.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(helper))
            with contextlib.suppress(BrokenPipeError):  # refused unheard: the answer says why
                connection.sendall(order.to_line())
            answer = json.loads(connection.makefile("rb").readline(LINE))
        kind, message, number = answer["done"], str(answer["message"]), int(answer["errno"])
    except (ValueError, LookupError, TypeError) as error:
        raise OSError(errno.EPROTO, f"the punching helper did not answer: {error}") from error
    if kind == "changed":
        raise RecordingChanged(message)
    if kind != "punched":
        raise OSError(number, f"the punching helper: {message}", order.path)


def answer(done: str, message: str = "", number: int = 0) -> bytes:
    """The helper's line: ``done`` is punched, changed, refused or failed."""
    return json.dumps({"done": done, "message": message, "errno": number}).encode() + b"\n"
