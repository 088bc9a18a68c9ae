"""The daemon: admission first, then one recorder at a time, until a signal says stop.

Crash-only: stopping and reloading end the recorder as a crash would, within seconds, and the next
start reads the journal. Bad settings, a corrupt journal or a store out of reach are no reason to be
away: admission answers, and refuses with the reason.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import enumerate as enumerate_threads
from typing import TYPE_CHECKING, Final, NoReturn

from kasm_recd import log as logs
from kasm_recd.cage import policy as cage
from kasm_recd.desk import Desk
from kasm_recd.errors import JournalCorrupt, Retried, SettingsInvalid
from kasm_recd.log import get_logger
from kasm_recd.notify import Notifier, watchdog_interval
from kasm_recd.recorder import Recorder
from kasm_recd.settings import credentials_folder, load

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.settings import Settings

log = get_logger(__name__)

THREADS: Final = 128
THREAD_NAME: Final = "kasm-recd-work"
SWITCH_S: Final = 0.0005
STOP_S: Final = 2.0  # for threads, once everything else has ended
RESTART_S: Final = 2.0  # before a recorder that ran into trouble is made anew
BEAT_S: Final = 2.0  # how often the watchdog is fed and the status line is brought up to date
PATIENCE_S: Final = 15.0  # how long a part may be silent before the watchdog is not fed


def run(*, config: Path | None, socket: Path) -> int:
    """Is the daemon until SIGTERM or SIGINT; the exit code is 0 then.

    Raises:
        JournalLocked: another daemon works on the same spool.
        RecdError: the socket cannot be had.
    """
    cage.hide_memory()
    logs.configure()
    # The journal's thread takes the interpreter's lock some ten times for each commit, and would
    # wait this long each time that the loop is busy.
    sys.setswitchinterval(SWITCH_S)
    asyncio.run(_run(Daemon(config, socket)))
    return 0


async def _run(daemon: Daemon) -> None:
    # Wide enough that uploads to a store that hangs never keep the watcher from its thread.
    threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix=THREAD_NAME)
    asyncio.get_running_loop().set_default_executor(threads)
    await daemon.run()
    threads.shutdown(wait=False, cancel_futures=True)
    deadline = time.monotonic() + STOP_S
    while left := [each.name for each in enumerate_threads() if each.name.startswith(THREAD_NAME)]:
        if time.monotonic() > deadline:
            # A thread in a hung call cannot be cancelled; all that counts is in the journal.
            log.warning("daemon.threads_left", threads=left)
            sys.stdout.flush()
            os._exit(0)
        await asyncio.sleep(0.02)


def load_settings(config: Path | None) -> Settings:
    """The settings from file, credentials and environment; raises SettingsInvalid."""
    return load(config, environ=os.environ, credentials_dir=credentials_folder(os.environ))


class Daemon:
    """Signals only set flags; :meth:`run` is start-up, main loop and shutdown on one screen."""

    def __init__(self, config: Path | None, socket: Path) -> None:
        self._config = config
        self._desk = Desk(socket)
        self._notifier = Notifier()
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._settings: Settings | None = None
        self._recorder: Recorder | None = None

    async def run(self) -> None:
        """Start, wait, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        self._read_settings()
        await self._desk.open()
        log.info("daemon.started", pid=os.getpid())
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._desk.look(), name="disk"),
                    group.create_task(self._supervise(), name="recorder"),
                    group.create_task(self._feed_watchdog(), name="watchdog"),
                ]
                await self._stop.wait()
                self._notifier.stopping()
                # Answers need the journal, which ends with the recorder.
                await self._desk.stop()
                for task in tasks:
                    task.cancel()
        finally:
            await self._desk.close()
            log.info("daemon.stopped")

    def _read_settings(self) -> bool:
        """Whether there are new valid settings; the last good ones stay in force otherwise."""
        try:
            found = load_settings(self._config)
            lacking = cage.demand(found.worker_cage)
        except SettingsInvalid as error:
            log.exception("settings.invalid")
            self._desk.outlook.settings_error = str(error)
            return False
        logs.configure(found.log_level)
        logs.conceal(*found.secrets())
        for warning in found.warnings:
            log.warning("settings.warning", warning=warning)
        if lacking:
            log.warning("worker.cage_open", lacking=lacking)
        self._desk.outlook.settings_error = None
        self._settings = found
        return True

    async def _supervise(self) -> None:
        """One recorder at a time; made anew for new settings, and after trouble."""
        while True:
            self._reload.clear()
            work = asyncio.create_task(self._record())
            reload = asyncio.create_task(self._wait_for_new_settings())
            try:
                await asyncio.wait({work, reload}, return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    work.result()
            finally:
                for task in (work, reload):
                    task.cancel()
                await asyncio.wait({work, reload})

    async def _wait_for_new_settings(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._notifier.reloading()
            changed = self._read_settings()
            log.info("settings.reloaded", valid=changed)
            self._tell()
            if changed:
                return

    async def _record(self) -> None:
        """Runs the recorder that the settings ask for; returns when it is to be made anew."""
        if self._settings is None:
            self._tell()
            await asyncio.Event().wait()
            return
        try:
            await self._run_recorder(Recorder(self._settings), self._settings)
        except (ExceptionGroup, JournalCorrupt, Retried, OSError) as error:
            trouble = _expected(error)
        self._desk.leave(trouble)
        self._tell()
        if isinstance(trouble, JournalCorrupt):
            log.critical("journal.corrupt", exc_info=trouble)
            await asyncio.Event().wait()
        log.critical("recorder.restarting", exc_info=trouble)
        await asyncio.sleep(RESTART_S)

    async def _run_recorder(self, recorder: Recorder, settings: Settings) -> NoReturn:
        """Until it fails or is cancelled; raises as :meth:`Recorder.run`."""
        try:
            self._recorder = recorder
            self._desk.attend(settings, recorder)
            self._tell()
            await recorder.run()
        finally:
            # Nobody may look into a journal that is closing: that takes its time.
            self._recorder = None
            self._desk.leave()
            await recorder.close()

    def _tell(self) -> None:
        self._notifier.status(self._desk.summary())
        self._notifier.ready()

    async def _feed_watchdog(self) -> None:
        """Fed only while every part is alive: a silent part gets the daemon restarted."""
        interval = min(watchdog_interval() or BEAT_S, BEAT_S)
        told = ""
        before: list[str] = []
        while True:
            await asyncio.sleep(interval)
            silent = self._recorder.silent_parts(patience_s=PATIENCE_S) if self._recorder else []
            if not silent:
                self._notifier.alive()
            elif silent != before:
                log.critical("daemon.part_silent", parts=silent)
            before = silent
            summary = self._desk.summary()
            if summary != told:
                told = summary
                self._notifier.status(told)


def _expected(error: Exception) -> Exception:
    """The trouble that a new recorder may get over; whatever else is in it is raised again."""
    if not isinstance(error, ExceptionGroup):
        return error
    expected, other = error.split((JournalCorrupt, Retried, OSError))
    if expected is None or other is not None:
        raise error
    return _expected(expected.exceptions[0])
