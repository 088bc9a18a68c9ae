from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kasm_recd.admission import handed_over, listen
from kasm_recd.errors import SocketTaken

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "admission.sock"


def leave_behind(path: Path) -> None:
    """A socket file as a crash leaves it."""
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))


def test_the_socket_is_open_to_owner_and_group_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        listener = listen(path)
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert os.umask(0) == 0  # put back as it was
    finally:
        os.umask(before)
    listener.close()
    assert mode == 0o660


def test_the_socket_is_never_open_wider_than_that(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []

    class Watched(socket.socket):
        def bind(self, address: object) -> None:
            super().bind(address)  # type: ignore[arg-type]  # a str
            modes.append(stat.S_IMODE(path.lstat().st_mode))

    monkeypatch.setattr(socket, "socket", Watched)
    before = os.umask(0)
    try:
        listen(path).close()
    finally:
        os.umask(before)
    assert modes == [0o660]


def test_what_a_crash_left_is_replaced(path: Path) -> None:
    leave_behind(path)
    listener = listen(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()


def test_a_socket_that_somebody_answers_on_is_left_alone(path: Path) -> None:
    first = listen(path)
    with pytest.raises(SocketTaken, match="somebody answers"):
        listen(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    first.close()


def test_a_daemon_with_a_full_backlog_is_not_taken_for_dead(path: Path) -> None:
    clients = []
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        for _ in range(2):
            client = socket.socket(socket.AF_UNIX)
            clients.append(client)
            client.settimeout(0)
            client.connect_ex(str(path))
        with pytest.raises(SocketTaken, match="in use"):
            listen(path)
        for client in clients:
            client.close()
    assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "symlink"])
def test_something_else_at_the_path_is_never_removed(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/etc/hostname")
    with pytest.raises(SocketTaken, match="no socket"):
        listen(path)
    assert os.path.lexists(path)


@pytest.mark.parametrize("name", ["missing/admission.sock", "x" * 200])
def test_a_path_that_cannot_be_bound_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SocketTaken, match=name):
        listen(tmp_path / name)


def test_closing_removes_the_file(path: Path) -> None:
    listener = listen(path)
    listener.close()
    assert not path.exists()
    listener.close()


def test_closing_leaves_a_successors_file_alone(path: Path) -> None:
    first = listen(path)
    path.rename(path.with_suffix(".old"))
    second = listen(path)
    first.close()
    assert path.exists()
    second.close()


HANDED_OVER = """
import os, sys
from kasm_recd.admission import handed_over
from kasm_recd.errors import SocketTaken
environ = {"LISTEN_PID": sys.argv[1] or str(os.getpid()), "LISTEN_FDS": sys.argv[2]}
try:
    listener = handed_over(environ)
except SocketTaken as error:
    sys.exit(f"taken: {error}")
if listener is None:
    sys.exit("none")
print(listener.path, os.get_inheritable(3), flush=True)
connection, _ = listener.socket.accept()
connection.sendall(b"hello")
listener.close()
"""


def hand_over(
    given: socket.socket | None, pid: str = "", count: str = "1"
) -> subprocess.Popen[str]:
    """A process whose descriptor 3 is ``given``, as systemd starts one."""
    hand = f"exec 3<&{given.fileno()}; " if given else "exec 3</dev/null; "
    return subprocess.Popen(
        ["bash", "-c", f'{hand}exec "$0" "$@"', sys.executable, "-c", HANDED_OVER, pid, count],
        pass_fds=[given.fileno()] if given else [],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )


def test_a_socket_from_systemd_is_served_and_its_file_is_not_ours_to_remove(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as systemds:
        systemds.bind(str(path))
        systemds.listen(5)
        child = hand_over(systemds)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(path))
            assert client.recv(10) == b"hello"
        out, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")
    assert out == "None False\n"
    assert path.exists()


@pytest.mark.parametrize(("pid", "count"), [("1", "1"), ("", "0")])
def test_a_socket_for_another_process_or_none_is_not_taken(pid: str, count: str) -> None:
    child = hand_over(None, pid, count)
    _, err = child.communicate(timeout=30)
    assert err.strip() == "none"


@pytest.mark.parametrize(
    "given",
    [
        lambda: None,
        lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        lambda: socket.socket(socket.AF_UNIX),
        lambda: socket.create_server(("127.0.0.1", 0)),
    ],
    ids=["a file", "a datagram socket", "one that does not listen", "a TCP socket"],
)
def test_what_is_no_listening_unix_socket_is_refused(
    given: Callable[[], socket.socket | None],
) -> None:
    made = given()
    child = hand_over(made)
    _, err = child.communicate(timeout=30)
    if made:
        made.close()
    assert err.startswith("taken: systemd handed over")


def test_outside_systemd_nothing_is_handed_over() -> None:
    assert handed_over({}) is None
