"""Asks a running daemon over its Unix socket; what is not understood is an error, never a yes."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any

from kasm_recd.errors import ControlRefused

if TYPE_CHECKING:
    from pathlib import Path

ANSWER_LIMIT = 1 << 20  # bytes


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 to a Unix socket instead of a host and port."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(
    path: Path,
    method: str,
    target: str,
    body: dict[str, Any] | None = None,
    *,
    timeout_s: float = 5.0,
) -> tuple[int, dict[str, Any]]:
    """One request and its JSON answer: (HTTP status, object).

    Raises:
        ControlRefused: nobody answers on the socket, or the answer is no JSON object.
    """
    connection = _UnixConnection(path, timeout_s)
    try:
        content = None if body is None else json.dumps(body).encode()
        connection.request(method, target, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read(ANSWER_LIMIT))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ControlRefused(
            f"no answer from the daemon on {path}: {error}",
            hint="Is it running? systemctl status kasm-recd; another socket: --socket PATH",
        ) from error
    finally:
        connection.close()
    if not isinstance(answer, dict):
        raise ControlRefused(f"the daemon on {path} did not answer with a JSON object")
    return response.status, answer
