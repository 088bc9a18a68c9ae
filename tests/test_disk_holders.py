from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kasm_recd import disk
from tests.fixtures_guacd import AsNobody, GuacdWriter

Start = Callable[..., GuacdWriter]

HAMMER = """
import os, sys
print("ready", flush=True)
while True:
    os.close(os.open(sys.argv[1], os.O_WRONLY))
"""


@pytest.fixture
def writer(guacd_writer: Start, tiny_recording: Path, tmp_path: Path) -> GuacdWriter:
    return guacd_writer(tiny_recording, tmp_path / "session", "--on-command")


def test_a_lock_shows_who_holds_it(writer: GuacdWriter) -> None:
    descriptor = disk.open_to_look(writer.path)
    try:
        assert disk.lock_of(descriptor) == disk.Lock(writer.pid)
        writer.close()
        assert disk.lock_of(descriptor) is None
    finally:
        os.close(descriptor)


def test_a_lock_ends_with_its_holder(writer: GuacdWriter) -> None:
    assert disk.is_locked(writer.path)
    writer.kill()
    assert not disk.is_locked(writer.path)


def test_asking_takes_no_lock_and_breaks_none(writer: GuacdWriter) -> None:
    for _ in range(3):
        assert disk.is_locked(writer.path)
    writer.close()
    writer.reopen()
    assert disk.is_locked(writer.path)


def test_a_lock_on_some_bytes_counts(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    program = (
        "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX, 1, 50);"
        "print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert disk.is_locked(path)
        child.communicate()
    assert not disk.is_locked(path)


def test_a_lease_tells_whether_anybody_writes(writer: GuacdWriter) -> None:
    descriptor = disk.open_to_look(writer.path)
    try:
        assert disk.is_open_for_writing(descriptor) is True
        writer.close()
        assert disk.is_open_for_writing(descriptor) is False
    finally:
        os.close(descriptor)


def test_no_lease_is_kept(writer: GuacdWriter) -> None:
    writer.close()
    descriptor = disk.open_to_look(writer.path)
    try:
        assert disk.is_open_for_writing(descriptor) is False
        assert fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_UNLCK
    finally:
        os.close(descriptor)


def test_a_lease_on_somebody_elses_file_says_nothing(as_nobody: AsNobody) -> None:
    with as_nobody():
        descriptor = disk.open_to_look(Path("/etc/passwd"))
        try:
            assert disk.is_open_for_writing(descriptor) is None
        finally:
            os.close(descriptor)


def test_a_writer_who_comes_while_a_lease_is_asked_for_ends_nobody(tmp_path: Path) -> None:
    """The kernel signals the lease's holder then; by default that signal is deadly."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    asking = (
        "import sys; from pathlib import Path; from kasm_recd import disk\n"
        "fd = disk.open_to_look(Path(sys.argv[1]))\n"
        "print({disk.is_open_for_writing(fd) for _ in range(50_000)} == {True, False})"
    )
    with subprocess.Popen([sys.executable, "-c", HAMMER, path], stdout=subprocess.PIPE) as hammer:
        assert hammer.stdout is not None
        hammer.stdout.readline()
        try:
            asked = subprocess.run(
                [sys.executable, "-c", asking, path], capture_output=True, check=False, text=True
            )
        finally:
            hammer.kill()
    assert (asked.returncode, asked.stdout) == (0, "True\n"), asked.stderr
