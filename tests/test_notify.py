from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kasm_recd.notify import Notifier, watchdog_interval

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def _descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_systemd_hears_each_state(systemd: socket.socket) -> None:
    with contextlib.closing(Notifier()) as notifier:
        notifier.ready()
        notifier.alive()
        notifier.stopping()
    notifier.ready()  # closed: says nothing, breaks nothing
    heard = [systemd.recv(4096) for _ in range(3)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_reload_says_when_it_began_on_the_monotonic_clock(systemd: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    with contextlib.closing(Notifier()) as notifier:
        notifier.reloading()
    first, second = systemd.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    name, _, at = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(at) <= time.monotonic_ns() // 1000


def test_a_status_is_one_line_of_utf_8_and_cannot_smuggle_a_state(systemd: socket.socket) -> None:
    with contextlib.closing(Notifier()) as notifier:
        notifier.status("settings invalid:\n  Kaś…\nREADY=1")
    assert systemd.recv(4096).decode() == "STATUS=settings invalid: Kaś… READY=1"


def test_outside_systemd_nothing_is_said_and_no_socket_is_made(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET")
    open_before = _descriptors()
    notifier = Notifier()
    notifier.ready()
    notifier.reloading()
    notifier.status("fine")
    notifier.alive()
    notifier.stopping()
    assert _descriptors() == open_before
    notifier.close()
    systemd.settimeout(0)
    with pytest.raises(BlockingIOError):
        systemd.recv(4096)


def test_the_watchdog_is_fed_twice_as_often_as_systemd_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_interval() == 15.0


@pytest.mark.parametrize(
    ("allowed", "pid"), [(None, None), ("0", None), ("soon", None), ("30000000", "1")]
)
def test_without_a_watchdog_of_ours_there_is_no_interval(
    monkeypatch: pytest.MonkeyPatch, allowed: str | None, pid: str | None
) -> None:
    for name, value in {"WATCHDOG_USEC": allowed, "WATCHDOG_PID": pid}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert watchdog_interval() is None
