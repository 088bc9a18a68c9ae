"""A running child: reaped by the event loop, and never outlived by its process group.

The loop learns of the end through a pidfd and reaps with wait4, which also tells the CPU time.
asyncio's own subprocess waits for the pipes to close, which a grandchild can put off for ever. The
child leads a process group of its own, which is killed while its leader is still a zombie: only
then can the group's number not belong to anybody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil

from kasm_recd.errors import WorkerFailed
from kasm_recd.log import get_logger
from kasm_recd.process.pipes import Pipe, Tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.process.launch import Exit, Launched

log = get_logger(__name__)

STDOUT_LIMIT: Final = 1024 * 1024  # bytes; who writes more is ended
STDERR_LIMIT: Final = 256 * 1024 * 1024  # guacenc may say a line for every instruction
REAP_S: Final = 5.0  # a killed process that is not gone by then hangs in the kernel
VISIBLE_S: Final = 1.0  # for a new child to be seen
PIPE_GRACE_S: Final = 1.0  # for what is left in the pipes once the group is dead

_SIGNAL_NAMES: Final = {int(known): known.name for known in signal.Signals}
_LIMIT_SIGNALS: Final[dict[int, str]] = {
    signal.SIGXCPU: "its CPU seconds are used up",
    signal.SIGXFSZ: "a file grew past its limit",
}


@dataclass(frozen=True, slots=True)
class ChildId:
    """Which process a child is; ``started`` is Unix seconds as psutil gives them."""

    pid: int
    started: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A child that ended by itself; ``code`` is negative for a signal, ``cpu_s`` user + system."""

    code: int
    stdout: bytes
    stderr_tail: str
    cpu_s: float

    @property
    def ending(self) -> str:
        """How it ended, in words: ``exit code 3``, ``killed by SIGSEGV`` …, and its last word."""
        if self.code >= 0:
            how = f"exit code {self.code}"
        else:
            killer = _SIGNAL_NAMES.get(-self.code, f"signal {-self.code}")
            why = _LIMIT_SIGNALS.get(-self.code)
            how = f"killed by {killer}" + (f": {why}" if why else "")
        last = self.stderr_tail.strip().rpartition("\n")[2].strip()
        return f"{how} ({last})" if last else how


def watch(name: str, launched: Launched, on_line: Callable[[str], bool | None] | None) -> Child:
    """The child that was launched; ``name`` is for messages.

    Raises:
        WorkerFailed: no descriptor to watch it through; it was ended.
    """
    try:
        return Child(launched, on_line)
    except (OSError, WorkerFailed) as error:
        os.kill(launched.pid, signal.SIGKILL)
        launched.stdout.close()
        launched.stderr.close()
        launched.reap()
        raise WorkerFailed(f"{name} could not be watched: {error}") from error


def _start_time(pid: int) -> float:
    """Unix seconds. Raises WorkerFailed where the child cannot be seen.

    A child has the daemon's memory, which may not be looked at, until its exec is through: under
    ProtectProc=invisible it is not there for that moment.
    """
    deadline = time.monotonic() + VISIBLE_S
    while True:
        try:
            return psutil.Process(pid).create_time()
        except psutil.NoSuchProcess as error:
            if time.monotonic() > deadline:
                raise WorkerFailed(f"process {pid} cannot be seen in /proc") from error
            time.sleep(0.001)


class Child:
    """A running child: reaped by the event loop, whatever becomes of who waits for it."""

    def __init__(self, launched: Launched, on_line: Callable[[str], bool | None] | None) -> None:
        self.id = ChildId(launched.pid, _start_time(launched.pid))
        self._reap_it = launched.reap
        self._loop = asyncio.get_running_loop()
        self._reaped: asyncio.Future[Exit] = self._loop.create_future()
        self._stdout = bytearray()
        self._stderr = Tail(on_line)
        self._pidfd = os.pidfd_open(launched.pid)
        self._loop.add_reader(self._pidfd, self._ended)
        self._pipes = (
            Pipe(launched.stdout, self._stdout.extend, limit=STDOUT_LIMIT),
            Pipe(launched.stderr, self._stderr.extend, limit=STDERR_LIMIT),
        )

    @property
    def flooded(self) -> bool:
        """A pipe's limit was passed; what it said is not whole."""
        return any(pipe.flooded.done() for pipe in self._pipes)

    async def ended_or_flooded(self) -> None:
        """Waits for the child; :meth:`end` is due afterwards, and whenever this is cancelled."""
        either: tuple[asyncio.Future[Any], ...] = (
            self._reaped,
            *(pipe.flooded for pipe in self._pipes),
        )
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)

    async def end(self) -> None:
        """Kills the group if it still runs, reaps it, and lets go of the pipes."""
        try:
            if not self._reaped.done():
                self._kill_group()
                await asyncio.wait((self._reaped,), timeout=REAP_S)
            if not self._reaped.done():
                log.error("process.not_reaped", pid=self.id.pid, waited_s=REAP_S)
            await asyncio.wait([pipe.closed for pipe in self._pipes], timeout=PIPE_GRACE_S)
        finally:
            for pipe in self._pipes:
                pipe.close()

    def finished(self) -> Finished:
        """What came of it, once it was reaped."""
        code, cpu_s = self._reaped.result()
        return Finished(code, bytes(self._stdout), self._stderr.text(), cpu_s)

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._kill_group()  # what it left behind there, before the number is free again
        self._reap_it().add_done_callback(lambda ended: self._reaped.set_result(ended.result()))

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.id.pid, signal.SIGKILL)
