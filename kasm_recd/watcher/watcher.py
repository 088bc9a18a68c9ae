"""The watch over the recording folder: scan, then wait for a hint or the interval."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from kasm_recd.clock import Clock
from kasm_recd.pauses import pause
from kasm_recd.watcher.finished import Patience
from kasm_recd.watcher.hints import Hints
from kasm_recd.watcher.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path
    from typing import NoReturn

    from kasm_recd.recording import Recording
    from kasm_recd.watcher.sighting import Scan

#: However many hints come, scans are at least so many seconds apart,
SHORTEST_REST_S: Final = 0.2
#: and take at most this part of the time.
SCAN_SHARE: Final = 0.05


class Watcher:
    """Looks at the folder every ``interval_s`` seconds, and sooner at a hint.

    ``known`` gives the journal's growing, finished and drained recordings, asked before each scan
    in the event loop. ``on_scan`` is awaited with each result; the next scan waits for it.
    ``last_scan_at`` (monotonic seconds) is when that last came to an end.
    """

    def __init__(
        self,
        folder: Path,
        *,
        interval_s: float,
        finish_quiet_s: float,
        finish_quiet_unseen_s: float,
        on_scan: Callable[[Scan], Awaitable[None]],
        known: Callable[[], Iterable[Recording]],
    ) -> None:
        self._interval_s = interval_s
        self._on_scan = on_scan
        self._known = known
        self._hinted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hints = Hints(folder, self._wake)
        self._scanner = Scanner(
            folder,
            patience=Patience(closed_s=finish_quiet_s, unseen_s=finish_quiet_unseen_s),
            clock=Clock(),
        )
        self.last_scan_at = time.monotonic()

    async def run(self) -> NoReturn:
        """Watches until cancelled; what ``on_scan`` raises ends it."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                began = time.monotonic()
                self._hinted.clear()
                scan = await asyncio.to_thread(self.scan_once, tuple(self._known()))
                took = time.monotonic() - began
                await self._on_scan(scan)
                self.last_scan_at = time.monotonic()
                await self._rest(took)
        finally:
            await asyncio.to_thread(self._hints.close)

    def expect_own_close(self, path: Path) -> None:
        """To be called before we open a recording for writing: our close is not guacd's."""
        self._hints.expect_own_close(path)

    def scan_once(self, known: Iterable[Recording]) -> Scan:
        """One scan, in the calling thread; the watch is seen to first, so nothing falls between."""
        self._hints.ensure()
        return self._scanner.scan(known, self._hints.take_closes())

    async def _rest(self, took: float) -> None:
        """Waits for a hint, not too short a time and not longer than the interval."""
        shortest = min(self._interval_s, max(SHORTEST_REST_S, took / SCAN_SHARE))
        await asyncio.sleep(shortest)
        await pause(self._hinted, self._interval_s - shortest)

    def _wake(self) -> None:
        """Called from watchdog's thread, also while the event loop ends."""
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._hinted.set)
