"""The broker's client against sockets that misbehave."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.client import Admission, admit, ask
from kasm_recd.errors import ControlRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ASKED = {"kasm_id": "k1", "record_sessions": True}
ALLOW = {"decision": "allow", "recording_path": "/rec", "recording_name": "k1-a"}


def http(content: Any, status: int = 200) -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def whole_request(connection: socket.socket) -> bytes:
    """What is asked, or b"" of one who hung up; to close with a part unread would reset."""
    request = b""
    while piece := connection.recv(65536):
        request += piece
        head, end, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if end and len(body) >= (int(length[1]) if length else 0):
            return request
    return b""


@contextlib.contextmanager
def answering(path: Path, answers: Sequence[bytes | None]) -> Iterator[list[bytes]]:
    """Gives one answer to each connection in turn (None: hangs up); what was asked."""
    asked: list[bytes] = []

    def serve() -> None:
        for answer in answers:
            connection, _ = listening.accept()
            with connection:
                if answer is not None:
                    asked.append(whole_request(connection))
                    connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(8)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield asked
        thread.join(30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "admission.sock"


def test_a_clear_yes_says_where_to_record(path: Path) -> None:
    with answering(path, [http(ALLOW)]) as asked:
        found = admit(path, ASKED)
    assert found == Admission(True, recording_path="/rec", recording_name="k1-a")
    assert asked[0].startswith(b"POST /v1/admission HTTP/1.1\r\n")
    assert asked[0].endswith(json.dumps(ASKED).encode())


def test_a_refusal_has_its_reason_message_and_figures(path: Path) -> None:
    told = {"decision": "deny", "reason": "disk_free_low", "message": "low", "available": 5}
    with answering(path, [http(told, 403)]):
        found = admit(path, ASKED)
    assert found == Admission(False, "disk_free_low", "low", figures={"available": 5})


@pytest.mark.parametrize(
    "answer",
    [
        http(ALLOW, 500),
        http(ALLOW, 403),
        http({"decision": "allowed"}),
        http({"decision": "deny"}),
        http({**ALLOW, "recording_name": None}),
        http({**ALLOW, "recording_path": ""}),
        http({}),
        http([ALLOW]),
        http(b"allow"),
        http(ALLOW)[:-4],
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
def test_anything_but_a_clear_yes_is_a_no(path: Path, answer: bytes) -> None:
    with answering(path, [answer]):
        assert not admit(path, ASKED).allow


def test_a_session_that_is_not_recorded_needs_no_place(path: Path) -> None:
    nowhere = {"decision": "allow", "recording_path": None, "recording_name": None}
    with answering(path, [http(nowhere)]):
        assert admit(path, {"kasm_id": "k1", "record_sessions": False}) == Admission(True)


def test_what_cannot_be_said_in_json_is_a_no(path: Path) -> None:
    assert admit(path, {"kasm_id": object()}).reason == "no_answer"


def test_hanging_up_without_an_answer_is_tried_again(path: Path) -> None:
    with answering(path, [None, None, http(ALLOW)]):
        assert admit(path, ASKED, timeout_s=30).allow


def test_nobody_listening_is_tried_again_until_somebody_does(path: Path) -> None:
    found: list[Admission] = []
    asking = threading.Thread(target=lambda: found.append(admit(path, ASKED, timeout_s=30)))
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))  # as a crash leaves it: the file is there, and nobody listens
    asking.start()
    asking.join(0.1)
    path.unlink()
    with answering(path, [http(ALLOW)]):
        asking.join(30)
    assert found[0].allow


def test_a_full_queue_is_tried_again_until_there_is_room(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, contextlib.ExitStack() as clients:
        busy.bind(str(path))
        busy.listen(0)
        while True:
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            if client.connect_ex(str(path)):
                break
        found: list[Admission] = []
        asking = threading.Thread(target=lambda: found.append(admit(path, ASKED, timeout_s=30)))
        asking.start()
        asking.join(0.1)
        assert not found
        clients.close()
        while not found:
            connection, _ = busy.accept()
            with connection, contextlib.suppress(OSError):
                if whole_request(connection):
                    connection.sendall(http(ALLOW))
                    asking.join(30)
    assert found[0].allow


def test_the_deadline_ends_it_with_a_no(path: Path) -> None:
    found = admit(path, ASKED, timeout_s=0.05)
    assert (found.allow, found.reason) == (False, "no_answer")


def test_a_daemon_that_never_answers_is_a_no_at_the_deadline(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen(1)
        assert admit(path, ASKED, timeout_s=0.05).reason == "no_answer"


def test_a_command_is_not_kept_waiting_where_nobody_listens(path: Path) -> None:
    with pytest.raises(ControlRefused, match="no answer"):
        ask(path, "POST", "/v1/drain", {}, timeout_s=600)
