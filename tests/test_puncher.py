"""The punching helper: what it does for the daemon, and all that it refuses."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import disk, puncher
from kasm_recd.disk.helper import Order, ask
from kasm_recd.errors import OperatorError, RecordingChanged
from tests.values import make_recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MB = 1_000_000


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    (folder / "below").mkdir(parents=True)
    return folder


@pytest.fixture
def live(recordings: Path) -> Path:
    path = recordings / "below" / "live"
    path.write_bytes(os.urandom(2 * MB))
    return path


@pytest.fixture
def helper(tmp_path: Path, recordings: Path) -> Iterator[Path]:
    """A helper that listens to this process's user."""
    path = tmp_path / "punch.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        given = {"idle_s": 0.5}
        serving = threading.Thread(
            target=puncher.serve, args=(listener, recordings, os.getuid()), kwargs=given
        )
        serving.start()
        yield path
        serving.join(30)
        assert not serving.is_alive()


def order(path: Path, *, consumed: int = MB) -> Order:
    return Order(str(path), disk.identify(path), 0, consumed, consumed)


def test_a_daemon_that_may_not_write_has_the_helper_do_it(
    helper: Path, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = make_recording(path=str(live), identity=disk.identify(live), consumed=MB)
    before, allocated = live.read_bytes(), disk.status_of(live).allocated
    really_open, closes = os.open, list[str]()

    def may_not(path: str, flags: int, **given: Any) -> int:
        if path == str(live):  # the helper names it by its folder
            raise PermissionError(13, "Permission denied", path)
        return really_open(path, flags, **given)

    monkeypatch.setattr("os.open", may_not)
    with pytest.raises(PermissionError):
        disk.punch(recording, 0, MB, helper=helper.with_name("nobody"))
    disk.punch(recording, 0, MB, helper=helper, before_close=lambda: closes.append("told"))
    monkeypatch.undo()
    after, hole = live.read_bytes(), slice(4096, MB // 4096 * 4096)
    assert (len(after), after[:4096]) == (len(before), before[:4096])
    assert not any(after[hole])
    assert after[hole.stop :] == before[hole.stop :]
    assert disk.status_of(live).allocated < allocated - 900_000
    assert closes == ["told"]


def test_what_is_not_consumed_is_refused(helper: Path, live: Path) -> None:
    before = live.read_bytes()
    with pytest.raises(PermissionError, match="not all consumed"):
        ask(helper, replace(order(live), end=MB + 1))
    assert live.read_bytes() == before


def test_another_file_is_refused(helper: Path, live: Path, recordings: Path) -> None:
    other = recordings / "other"
    other.write_bytes(live.read_bytes())
    with pytest.raises(RecordingChanged, match="another file"):
        ask(helper, replace(order(live), path=str(other)))
    assert other.read_bytes() == live.read_bytes()


def test_nothing_outside_the_folder_is_reached(
    helper: Path, live: Path, recordings: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(os.urandom(2 * MB))
    before = secret.read_bytes()
    (recordings / "link").symlink_to(secret)
    (recordings / "way").symlink_to(tmp_path)
    for path in (
        secret,
        recordings / "link",
        recordings / "way" / "secret",
        recordings / ".." / "secret",
        recordings,
    ):
        with pytest.raises((OSError, RecordingChanged)):
            ask(helper, replace(order(secret), path=str(path)))
    assert secret.read_bytes() == before
    assert live.exists()


def test_a_bad_order_is_refused_and_the_next_one_obeyed(helper: Path, live: Path) -> None:
    for line in (b"{}\n", b"[]\n", b"nonsense\n", b"\n", b"x" * 100_000, b""):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(30)
            peer.connect(str(helper))
            try:
                peer.sendall(line)
                peer.shutdown(socket.SHUT_WR)
                said = peer.recv(1000)
            except ConnectionError:
                continue
            assert b'"refused"' in said
    ask(helper, order(live))
    assert not any(live.read_bytes()[8192 : MB // 2])


def test_only_the_daemons_user_is_heard(tmp_path: Path, recordings: Path, live: Path) -> None:
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        serving = threading.Thread(
            target=puncher.serve,
            args=(listener, recordings, os.getuid() + 1),
            kwargs={"idle_s": 0.5},
        )
        serving.start()
        try:
            with pytest.raises(PermissionError, match="not the daemon"):
                ask(path, order(live))
        finally:
            serving.join(30)
    assert any(live.read_bytes()[8192:9000])


def test_without_its_socket_it_says_how_it_is_started(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="started by its socket"):
        puncher.run(tmp_path, "root")
