"""Asks a running daemon over its Unix socket; what is not understood is an error, never a yes.

For brokers: :func:`admit` never raises and never takes anything but a clear yes for one. Nobody
listening (a restart without systemd's socket), a full queue (EAGAIN) and a connection that ends
without an answer are tried again until the deadline; asking twice does no harm.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kasm_recd.errors import ControlRefused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANSWER_LIMIT: Final = 1 << 20  # bytes
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 0.5
OK: Final = 200

#: What a connection raises that may succeed a moment later.
PASSING: Final = (
    BlockingIOError,  # EAGAIN: the queue is full
    ConnectionRefusedError,
    ConnectionResetError,  # http.client.RemoteDisconnected is one
    BrokenPipeError,
    FileNotFoundError,  # a daemon without systemd's socket is just being restarted
)


@dataclass(frozen=True, slots=True)
class Admission:
    """The daemon's word on a session; where there was none, a no with reason ``no_answer``.

    ``recording_path`` and ``recording_name`` are for guacd, empty where nothing is recorded;
    ``figures`` are the refusal's.
    """

    allow: bool
    reason: str = ""
    message: str = ""
    recording_path: str = ""
    recording_name: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 to a Unix socket instead of a host and port."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def admit(path: Path, request: Mapping[str, Any], *, timeout_s: float = 10.0) -> Admission:
    """Asks whether a session may start, for ``timeout_s`` at most; anything unclear is a no.

    ``request`` is the body of ``POST /v1/admission``: ``kasm_id``, ``record_sessions``, …
    """
    try:
        status, answer = ask(
            path, "POST", "/v1/admission", dict(request), timeout_s=timeout_s, patient=True
        )
        if status == OK and answer.get("decision") == "allow":
            return _allowed(answer, recorded=request.get("record_sessions") is not False)
    except (ControlRefused, TypeError, ValueError) as error:
        return Admission(allow=False, reason="no_answer", message=str(error))
    told = {name: answer.pop(name, "") for name in ("reason", "message", "error")}
    answer.pop("decision", None)
    return Admission(
        allow=False,
        reason=str(told["reason"] or f"http_{status}"),
        message=str(told["message"] or told["error"]),
        figures=answer,
    )


def _allowed(answer: Mapping[str, Any], *, recorded: bool) -> Admission:
    """A yes; raises ValueError where one for a recorded session does not say where to record."""
    folder, name = answer.get("recording_path"), answer.get("recording_name")
    if recorded and not all(isinstance(each, str) and each for each in (folder, name)):
        raise ValueError("the answer allows, but does not say where to record")
    return Admission(allow=True, recording_path=folder or "", recording_name=name or "")


def ask(
    path: Path,
    method: str,
    target: str,
    body: Mapping[str, Any] | None = None,
    *,
    timeout_s: float = 5.0,
    patient: bool = False,
) -> tuple[int, dict[str, Any]]:
    """One request and its JSON answer: (HTTP status, object).

    Where it is ``patient``, what may pass is tried again until ``timeout_s`` is over; only for
    requests that may come twice.

    Raises:
        ControlRefused: nobody answers on the socket, or the answer is no JSON object.
    """
    content = None if body is None else json.dumps(body).encode()
    deadline, pause = time.monotonic() + timeout_s, FIRST_PAUSE_S
    while True:
        left = deadline - time.monotonic()
        try:
            return _ask_once(path, method, target, content, timeout_s=max(left, 0.001))
        except PASSING as error:
            if not patient or left <= pause:
                raise _no_answer(path, error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _no_answer(path, error) from error
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _ask_once(
    path: Path, method: str, target: str, content: bytes | None, *, timeout_s: float
) -> tuple[int, dict[str, Any]]:
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request(method, target, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read(ANSWER_LIMIT))
    finally:
        connection.close()
    if not isinstance(answer, dict):
        raise ControlRefused(f"the daemon on {path} did not answer with a JSON object")
    return response.status, answer


def _no_answer(path: Path, error: Exception) -> ControlRefused:
    return ControlRefused(
        f"no answer from the daemon on {path}: {error}",
        hint="Is it running? systemctl status kasm-recd; another socket: --socket PATH",
    )
