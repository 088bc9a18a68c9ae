"""A process of the daemon's own, just launched: how it is heard, and how it is reaped."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

from kasm_recd.errors import WorkerFailed
from kasm_recd.process.command import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Exit(NamedTuple):
    """How a process ended; ``code`` is negative for a signal, ``cpu_s`` user + system."""

    code: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Launched:
    """It leads a group; ``reap`` is for when it ended, and then frees its number."""

    pid: int
    stdout: IO[bytes]
    stderr: IO[bytes]
    reap: Callable[[], asyncio.Future[Exit]]


def launch(name: str, command: Sequence[str], folder: Path) -> Launched:
    """Start ``command`` in ``folder``; ``name`` is for messages.

    Raises:
        WorkerFailed: no process or descriptor to be had, or no such folder.
    """
    try:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env=environment(folder),
            start_new_session=True,
        )
    except OSError as error:
        raise WorkerFailed(f"{name} could not be started: {error}") from error
    assert popen.stdout is not None  # noqa: S101 - for the type checker: pipes were asked for
    assert popen.stderr is not None  # noqa: S101 - as above

    def reap() -> asyncio.Future[Exit]:
        _, status, usage = os.wait4(popen.pid, 0)
        popen.returncode = os.waitstatus_to_exitcode(status)
        ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        ended.set_result(Exit(popen.returncode, usage.ru_utime + usage.ru_stime))
        return ended

    return Launched(popen.pid, popen.stdout, popen.stderr, reap)
