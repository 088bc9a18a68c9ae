"""inotify's word that something happened: a reason to look sooner, never a reason to believe.

The kernel is asked for creations, closes by writers, moves and deletions; never for modifications,
of which a busy gateway has tens of thousands a second.

A watch can die without a word: its folder is deleted, replaced or unmounted, or one of watchdog's
threads ends with an exception. So it is looked after before every scan, and made anew. Whatever is
missed meanwhile, or lost when the kernel's queue overflows, the scan finds.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.utils import BaseThread

from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.api import BaseObserver

log = get_logger(__name__)

# `mkdir -p a/b` can be met twice, by the event and by the walk that follows it: watchdog copes, and
# warns each time.
warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)

EVENTS: Final[list[type[FileSystemEvent]]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]
#: watchdog's threads end within half a second of being asked to.
JOIN_S: Final = 2.0
#: How late the event of a close of our own may come. inotify may make one event of it and a close
#: by guacd right after; then guacd's is missed, which only makes the end less well known.
OWN_CLOSE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Closing:
    """When a writer closed a file: seconds of the monotonic clock, and Unix seconds."""

    monotonic: float
    realtime: float


class Hints:
    """A watch on a folder and all below it, and the closes that it saw.

    ``wake`` is called from watchdog's thread at every event.
    """

    def __init__(self, folder: Path, wake: Callable[[], None]) -> None:
        self._folder = folder
        self._handler = _Handler(wake)
        self._lock = threading.Lock()
        self._watch: _Watch | None = None
        self._trouble: str | None = None
        self._closed = False

    def ensure(self) -> None:
        """Makes the watch, or makes it anew when it no longer is one; never raises OSError."""
        with self._lock:
            if self._closed:
                return
            root = os.path.realpath(self._folder)
            why = "" if self._watch is None else self._watch.ailment(root)
            if self._watch is not None and not why:
                return
            if self._watch is not None:
                log.warning("watch.lost", folder=str(self._folder), reason=why)
                self._drop()
            self._make(root)

    def take_closes(self) -> dict[str, Closing]:
        """The last close of each file since the last call, by path below the folder."""
        return self._handler.take()

    def expect_own_close(self, path: Path) -> None:
        """The next close of ``path`` is ours, if it comes soon: it says nothing of guacd."""
        self._handler.expect_own_close(str(path.relative_to(self._folder)))

    def close(self) -> None:
        """Ends the watch for good; waits for watchdog's threads."""
        with self._lock:
            self._closed = True
            self._drop()

    def _make(self, root: str) -> None:
        try:
            self._watch = _Watch(root, self._handler)
        except OSError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning(
                    "watch.unavailable",
                    folder=str(self._folder),
                    error=str(error),
                    hint="Recordings are still found, by scans alone. See fs.inotify in sysctl.",
                )
        else:
            self._trouble = None
            log.info("watch.started", folder=str(self._folder))

    def _drop(self) -> None:
        if self._watch is not None:
            self._watch.stop()
            self._watch = None


class _Watch:
    """One observer on one folder, as long as both are what they were; raises OSError."""

    def __init__(self, root: str, handler: _Handler) -> None:
        # watchdog would watch nothing then, and say nothing
        if not os.access(root, os.R_OK | os.X_OK, effective_ids=True):
            raise PermissionError(f"{root} cannot be read, or is not there")
        self._file = _file_of(root)
        handler.begin(root)
        before = set(threading.enumerate())
        self._observer: BaseObserver = Observer()
        try:
            self._observer.schedule(handler, root, recursive=True, event_filter=EVENTS)
            self._observer.start()
        except OSError:
            self._observer.stop()
            raise
        started = set(threading.enumerate()) - before
        self._threads = {thread for thread in started if isinstance(thread, BaseThread)}

    def ailment(self, root: str) -> str:
        """Why this watch is none any more; empty while it is well."""
        if _file_of(root) != self._file:
            return "the folder is another one, or gone"
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        return f"ended: {', '.join(dead)}" if dead else ""

    def stop(self) -> None:
        """Ends all of the watch's threads."""
        self._observer.stop()
        with contextlib.suppress(RuntimeError):  # it was never started
            self._observer.join(JOIN_S)


def _file_of(root: str) -> tuple[int, int] | None:
    try:
        status = Path(root).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class _Handler(FileSystemEventHandler):
    """Notes closes and wakes the watcher; an exception in here would kill the observer."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._root = ""
        self._closes: dict[str, Closing] = {}
        self._own: dict[str, list[float]] = {}  # when closes of ours are no longer waited for

    def begin(self, root: str) -> None:
        """Events are about files below ``root`` from now on."""
        self._root = root

    def take(self) -> dict[str, Closing]:
        with self._lock:
            closes, self._closes = self._closes, {}
        return closes

    def expect_own_close(self, name: str) -> None:
        with self._lock:
            self._own.setdefault(name, []).append(time.monotonic() + OWN_CLOSE_S)

    def dispatch(self, event: FileSystemEvent) -> None:
        with self._lock:
            self._note(event)
        self._wake()

    def _note(self, event: FileSystemEvent) -> None:
        name = self._below(event.src_path)
        match event:
            case FileClosedEvent() if self._is_ours(name):
                return
            case FileClosedEvent():
                self._closes[name] = Closing(time.monotonic(), time.time())
            case FileMovedEvent() if name in self._closes:
                self._closes[self._below(event.dest_path)] = self._closes.pop(name)
            case FileCreatedEvent() | FileDeletedEvent():
                self._closes.pop(name, None)

    def _is_ours(self, name: str) -> bool:
        now = time.monotonic()
        left = [deadline for deadline in self._own.pop(name, []) if deadline > now]
        if left[1:]:
            self._own[name] = left[1:]
        return bool(left)

    def _below(self, path: bytes | str) -> str:
        return os.fsdecode(path).removeprefix(self._root).lstrip("/")
