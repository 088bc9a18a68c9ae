"""Child processes: limited, apart from the daemon's secrets, and always ended with their group."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from typing import TYPE_CHECKING, Final

import psutil

from kasm_recd.cage.policy import Mode as Cage
from kasm_recd.errors import DiskFull, WorkerFailed
from kasm_recd.log import get_logger
from kasm_recd.process.child import REAP_S, ChildId, Finished, watch
from kasm_recd.process.command import Limits, chain, find_program, name_of, worker_argv, wrapper
from kasm_recd.process.errand import run_errand
from kasm_recd.process.forking import ForkServer, ForkServerLost
from kasm_recd.process.launch import launch
from kasm_recd.process.warmth import kept_warm, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from kasm_recd.process.launch import Launched

__all__ = [
    "Cage",
    "ChildId",
    "Finished",
    "ForkServer",
    "Limits",
    "end_leftover",
    "find_program",
    "kept_warm",
    "name_of",
    "run",
    "run_errand",
    "worker_argv",
    "wrapper",
]

log = get_logger(__name__)

SAME_START_S: Final = 2.0  # psutil adds the boot time, which moves a little as the clock is slewed


async def run(
    argv: Sequence[str],
    *,
    folder: Path,
    limits: Limits,
    on_start: Callable[[ChildId], Awaitable[None]] | None = None,
    on_stderr_line: Callable[[str], bool | None] | None = None,
    check: bool = False,
) -> Finished:
    """Runs ``argv`` in ``folder`` until it ends; its whole process group is gone afterwards.

    To be called in the main thread: the kernel ends a child with the *thread* that started it.
    A deadline or a cancellation kills at once: a worker has nothing to save, its folder is thrown
    away. ``on_stderr_line`` gets each line (ended by a newline or a carriage return); one that it
    answers with True is not kept for ``stderr_tail``. A non-zero exit is the caller's to judge,
    unless ``check`` is set.

    Raises:
        WorkerFailed: it could not be started, ran past its deadline, or flooded a pipe; with
            ``check``, it failed.
        DiskFull: with ``check``, it failed and said that there is no room.
        EncoderMissing: setpriv, prlimit or nice is not on this machine.
    """
    name = name_of(argv)
    child = watch(name, await _launched(name, argv, folder, limits), on_stderr_line)
    deadline = asyncio.timeout(limits.deadline_s)
    try:
        async with deadline:
            if on_start is not None:
                await on_start(child.id)
            await child.ended_or_flooded()
    except TimeoutError:
        if not deadline.expired():
            raise
        message = f"{name} ran past its deadline of {limits.deadline_s:g} s and was ended"
        raise WorkerFailed(message) from None
    finally:
        await child.end()
    if child.flooded:
        raise WorkerFailed(f"{name} flooded its output and was ended")
    finished = child.finished()
    if check and finished.code != 0:
        full = os.strerror(errno.ENOSPC) in finished.stderr_tail
        raise (DiskFull if full else WorkerFailed)(f"{name} failed: {finished.ending}")
    return finished


async def _launched(name: str, argv: Sequence[str], folder: Path, limits: Limits) -> Launched:
    """Warm where it can be."""
    server = serving()
    if server is not None and server.can_start(argv):
        with contextlib.suppress(ForkServerLost):
            return await server.start(argv, limits, folder)
    return launch(name, chain(argv, limits, folder), folder)


def end_leftover(child: ChildId) -> bool:
    """Kills the process group that a crash left; true if there was one.

    Only a process with this pid *and* this start time is ours; it leads a group of its own.
    """
    try:
        process = psutil.Process(child.pid)
        if abs(process.create_time() - child.started) > SAME_START_S:
            return False
        os.killpg(child.pid, signal.SIGKILL)
        process.wait(timeout=REAP_S)
    except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
        return False
    except psutil.TimeoutExpired:
        log.warning("process.not_gone", pid=child.pid, waited_s=REAP_S)
    return True
