"""A journal to log to: a socket that keeps what comes, and the real journald, by itself."""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from kasm_recd import log
from kasm_recd.log import secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

JOURNALD = Path("/lib/systemd/systemd-journald")
DEADLINE_S = 30.0
SECRET = 'wJalr"XUtnFEMI\\K7'  # noqa: S105 - with characters that JSON escapes


@contextlib.contextmanager
def logging_restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("kasm_recd")
    before = root.handlers[:], root.level, ours.level, logging.raiseExceptions
    concealed = set(secrets.concealed)
    try:
        yield
    finally:
        root.handlers[:], root.level, ours.level, logging.raiseExceptions = before
        while log._before:
            log._before.pop().close()
        secrets.concealed.clear()
        secrets.concealed.update(concealed)
        structlog.contextvars.clear_contextvars()
        structlog.reset_defaults()


class FakeJournal:
    """What journald would read from its socket, parsed by the protocol's own rules."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(DEADLINE_S)
        self.files = 0

    def entry(self) -> dict[str, str]:
        """The next entry."""
        data, descriptors, _flags, _sender = socket.recv_fds(self._socket, 1 << 20, 1)
        for descriptor in descriptors:
            with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
                # A writable file would be refused: only sealed ones can be mapped without fear.
                with pytest.raises(PermissionError):
                    os.pwrite(file.fileno(), b"x", 0)
                with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                    data = mapped[:]
                self.files += 1
        return parse(data)

    def close(self) -> None:
        self._socket.close()


def parse(data: bytes) -> dict[str, str]:
    """An entry's fields; fails where a name comes twice."""
    found: dict[str, str] = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, is_text, value = line.partition(b"=")
        if not is_text:
            length = int.from_bytes(data[:8], "little")
            value = data[8 : 8 + length]
            assert data[8 + length : 9 + length] == b"\n"
            data = data[9 + length :]
        assert name.decode() not in found
        found[name.decode()] = value.decode()
    return found


@contextlib.contextmanager
def logging_to(journal: Path, level: str = "debug") -> Iterator[socket.socket]:
    """Logs as if stdout were the journal's; yields the other end of that stdout."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with logging_restored(), ours, theirs, ours.makefile("w", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        log.configure(level, stream=stream, environ=environ, journal=journal)
        yield theirs


@pytest.fixture
def fake_journal(tmp_path: Path) -> Iterator[FakeJournal]:
    journal = FakeJournal(tmp_path / "socket")
    with logging_to(journal.path):
        yield journal
    journal.close()


@pytest.fixture
def real_journal(tmp_path: Path) -> Iterator[str]:
    """A journald of its own beside the machine's: the name of its namespace."""
    if not JOURNALD.exists() or shutil.which("journalctl") is None or os.geteuid() != 0:
        pytest.skip("needs root and systemd's journald on this machine")
    namespace = f"kasm-recd-test-{os.getpid()}"
    # Its socket is there before it is: a journald without a machine id makes it and ends.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(tmp_path / "notify"))
        ready.settimeout(0.1)
        environ = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        child = subprocess.Popen(
            [JOURNALD, namespace], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _wait_ready(child, ready)
            yield namespace
        finally:
            _end(child, namespace)


def _wait_ready(child: subprocess.Popen[bytes], ready: socket.socket) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        with contextlib.suppress(TimeoutError):
            if b"READY=1" in ready.recv(4096):
                return
        if child.poll() is not None:
            pytest.skip(f"journald does not run here: {child.stderr and child.stderr.read()!r}")
        assert time.monotonic() < deadline, "journald is not ready"


def _end(child: subprocess.Popen[bytes], namespace: str) -> None:
    child.kill()
    child.communicate(timeout=DEADLINE_S)
    shutil.rmtree(f"/run/systemd/journal.{namespace}", ignore_errors=True)
    for left in Path("/run/log/journal").glob(f"*.{namespace}"):
        shutil.rmtree(left, ignore_errors=True)
