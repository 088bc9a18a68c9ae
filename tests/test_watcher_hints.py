"""The watch, with real inotify: what it says, and how it dies and comes back."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from watchdog.observers import Observer
from watchdog.utils import BaseThread

from kasm_recd.watcher.hints import Closing, Hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 10.0


class Watched:
    """Hints on a folder, and how often they woke somebody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.woken = threading.Event()
        self.wakes = 0
        self.hints = Hints(folder, self._wake)
        self.hints.ensure()
        self.closes: dict[str, Closing] = {}

    def _wake(self) -> None:
        self.wakes += 1
        self.woken.set()

    def wait_woken(self) -> None:
        assert self.woken.wait(DEADLINE_S), "nobody was woken"
        self.woken.clear()

    def wait_closed(self, name: str) -> Closing:
        wait_until(lambda: name in self._gather())
        return self.closes[name]

    def _gather(self) -> dict[str, Closing]:
        self.closes.update(self.hints.take_closes())
        return self.closes

    def settle(self) -> None:
        """Waits until all events so far have come, by a last one of our own."""
        self._gather().pop("last", None)
        (self.folder / "last").write_bytes(b"x")
        self.wait_closed("last")
        self.woken.clear()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def watchdog_threads() -> set[BaseThread]:
    return {thread for thread in threading.enumerate() if isinstance(thread, BaseThread)}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    folder = tmp_path / "recordings"
    folder.mkdir()
    before = watchdog_threads()
    watched = Watched(folder)
    yield watched
    watched.hints.close()
    wait_until(lambda: watchdog_threads() <= before)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "new").touch(),
        lambda folder: (folder / "old").unlink(),
        lambda folder: (folder / "old").rename(folder / "new"),
        lambda folder: (folder / "old").rename(folder.parent / "out"),
        lambda folder: (folder.parent / "outside").rename(folder / "in"),
        lambda folder: (folder / "sub").mkdir(),
        lambda folder: (folder / "full").rename(folder / "moved"),
    ],
    ids=["created", "deleted", "renamed", "moved out", "moved in", "mkdir", "folder renamed"],
)
def test_what_happens_in_the_folder_wakes(tmp_path: Path, change: Callable[[Path], object]) -> None:
    folder = tmp_path / "recordings"
    (folder / "full").mkdir(parents=True)
    (folder / "old").touch()
    (tmp_path / "outside").touch()
    watched = Watched(folder)
    try:
        change(folder)
        watched.wait_woken()
    finally:
        watched.hints.close()


def test_a_close_by_a_writer_is_noted_with_its_time(watched: Watched) -> None:
    before = time.monotonic(), time.time()
    (watched.folder / "session").write_bytes(b"x")
    closing = watched.wait_closed("session")
    assert before[0] <= closing.monotonic <= time.monotonic()
    assert before[1] <= closing.realtime <= time.time()


def test_writing_and_reading_wake_nobody(watched: Watched) -> None:
    with (watched.folder / "session").open("wb", buffering=0) as file:
        watched.settle()
        before = watched.wakes
        for _ in range(1000):
            file.write(b"x")
            (watched.folder / "session").read_bytes()
        watched.settle()
        assert watched.wakes <= before + 2, "but for the closes that were waited for"


def test_a_close_follows_its_file_to_a_new_name_and_ends_with_it(watched: Watched) -> None:
    for name in ("moved", "deleted", "made again"):
        (watched.folder / name).write_bytes(b"x")
    (watched.folder / "moved").rename(watched.folder / "new name")
    (watched.folder / "deleted").unlink()
    (watched.folder / "made again").unlink()
    with (watched.folder / "made again").open("wb"):
        (watched.folder / "last").write_bytes(b"x")
        wait_until(lambda: "last" in watched.hints._handler._closes)
        assert set(watched.hints.take_closes()) == {"new name", "last"}


@pytest.mark.filterwarnings("ignore:Callback with id .* already exists:RuntimeWarning")
def test_new_sub_folders_are_watched(watched: Watched) -> None:
    (watched.folder / "a" / "b").mkdir(parents=True)
    watched.settle()
    (watched.folder / "a" / "b" / "session").write_bytes(b"x")
    watched.wait_closed("a/b/session")


def test_a_healthy_watch_is_left_alone(watched: Watched) -> None:
    threads = watchdog_threads()
    with capture_logs() as logs:
        for _ in range(3):
            watched.hints.ensure()
    assert logs == []
    assert watchdog_threads() == threads


def test_a_folder_deleted_and_made_again_is_watched_again(watched: Watched) -> None:
    watched.folder.rmdir()
    with capture_logs() as logs:
        for _ in range(3):
            watched.hints.ensure()
    assert [each["event"] for each in logs] == ["watch.lost", "watch.unavailable"]

    watched.folder.mkdir()
    with capture_logs() as logs:
        watched.hints.ensure()
    assert [each["event"] for each in logs] == ["watch.started"]
    (watched.folder / "session").write_bytes(b"x")
    watched.wait_closed("session")


def test_a_folder_replaced_by_another_is_watched_in_its_place(watched: Watched) -> None:
    """The old watch is alive and well, on a folder that is no longer ours."""
    watched.folder.rename(watched.folder.parent / "away")
    watched.folder.mkdir()
    with capture_logs() as logs:
        watched.hints.ensure()
    assert [each["event"] for each in logs] == ["watch.lost", "watch.started"]
    (watched.folder / "session").write_bytes(b"x")
    watched.wait_closed("session")


def test_a_folder_behind_a_symlink_is_watched(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    watched = Watched(tmp_path / "link")
    try:
        (tmp_path / "real" / "session").write_bytes(b"x")
        watched.wait_closed("session")
    finally:
        watched.hints.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("method", ["run-handler", "queue_event", "handle_event"])
def test_a_dead_observer_is_replaced(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Each of watchdog's threads in turn: the one that calls us, the emitter, the reader."""

    def die(*_: object, **__: object) -> None:
        raise RuntimeError("an exception in a thread of watchdog's")

    before = watchdog_threads()
    if method == "run-handler":
        monkeypatch.setattr(watched.hints._handler, "dispatch", die)
    for thread in before:
        if hasattr(thread, method):
            monkeypatch.setattr(thread, method, die)
    (watched.folder / "fatal").touch()
    wait_until(lambda: not all(thread.is_alive() for thread in before))
    monkeypatch.undo()

    with capture_logs() as logs:
        watched.hints.ensure()

    assert [each["event"] for each in logs] == ["watch.lost", "watch.started"]
    (watched.folder / "session").write_bytes(b"x")
    watched.wait_closed("session")


def test_without_inotify_there_is_one_warning_and_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = watchdog_threads()
    monkeypatch.setattr(Observer, "schedule", _no_watches)
    hints = Hints(tmp_path, lambda: None)
    with capture_logs() as logs:
        for _ in range(3):
            hints.ensure()
    assert [each["event"] for each in logs] == ["watch.unavailable"]
    assert "limit" in logs[0]["error"]
    monkeypatch.undo()
    hints.ensure()
    hints.close()
    wait_until(lambda: watchdog_threads() <= before)


def _no_watches(*_: object, **__: object) -> None:
    raise OSError(28, "inotify watch limit reached")


def test_closed_hints_stay_closed(watched: Watched) -> None:
    watched.hints.close()
    before = watchdog_threads()
    watched.hints.ensure()
    assert watchdog_threads() == before


STORM = """
import os, sys
folder = sys.argv[1]
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
    os.unlink(f"{folder}/{number}")
os.mkdir(f"{folder}/made in the storm")
os.write(1, b"x")
"""


def test_after_an_overflow_of_the_kernels_queue_the_watch_goes_on(watched: Watched) -> None:
    """The reader gets no turn while 3 events a file pile up: ours is the only lock there is."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with subprocess.Popen(
        [sys.executable, "-c", STORM, watched.folder, str(limit // 3 + 1000)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        (watched.folder / "before").write_bytes(b"x")
        watched.settle()
        child.stdin.write(b"\n")
        child.stdin.flush()
        # PyDLL keeps the interpreter's lock for the whole call, so no thread of ours runs.
        ctypes.PyDLL(None).read(child.stdout.fileno(), ctypes.create_string_buffer(1), 1)
        (watched.folder / "lost").write_bytes(b"x")
        child.wait()

    wait_until(lambda: _closes_come_through(watched, "after"))
    assert "lost" not in watched.closes, "the queue did not overflow"
    watched.hints.ensure()
    (watched.folder / "made in the storm" / "session").write_bytes(b"x")
    watched.wait_closed("made in the storm/session")
    (watched.folder / "session").write_bytes(b"x")
    watched.wait_closed("session")


def _closes_come_through(watched: Watched, name: str) -> bool:
    (watched.folder / name).write_bytes(b"x")
    return name in watched._gather()


def test_a_storm_of_names_leaves_no_more_than_the_files_that_are(watched: Watched) -> None:
    for number in range(200):
        (watched.folder / str(number)).write_bytes(b"x")
        (watched.folder / str(number)).unlink()
    (watched.folder / "last").write_bytes(b"x")
    wait_until(lambda: "last" in watched.hints._handler._closes)
    assert set(watched.hints.take_closes()) == {"last"}


def test_our_own_close_says_nothing_of_guacd(watched: Watched) -> None:
    file = watched.folder / "r"
    file.write_bytes(b"x")
    watched.wait_closed("r")
    watched.settle()
    watched.closes.clear()
    watched.hints.expect_own_close(file)
    with file.open("r+b"):
        pass
    watched.settle()
    assert "r" not in watched.closes
    with file.open("r+b"):
        pass
    watched.wait_closed("r")


def test_a_close_of_ours_that_never_came_hides_no_later_one(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kasm_recd.watcher.hints.OWN_CLOSE_S", 0.0)
    watched.hints.expect_own_close(watched.folder / "r")
    (watched.folder / "r").write_bytes(b"x")
    watched.wait_closed("r")
