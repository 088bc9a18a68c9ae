"""Programs that may hang, run for a bounded time: nothing that they started outlives the call."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How long killed processes may take to go.
_GONE_S = 20.0


def run(
    argv: Sequence[str], *, said: str, deadline_s: float, mark: str = ""
) -> subprocess.CompletedProcess[str]:
    """``argv`` with ``said`` as its input. Raises subprocess.TimeoutExpired.

    Its process group, its descendants, and whatever has ``mark`` in its arguments are killed when
    this returns or raises: a browser makes a group of its own.
    """
    # Files, not pipes: a pipe ends only when the last of its descendants lets go of it.
    with TemporaryFile("w+") as stdin, TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        stdin.write(said)
        stdin.seek(0)
        child = subprocess.Popen(argv, stdin=stdin, stdout=out, stderr=err, start_new_session=True)
        try:
            child.wait(deadline_s)
        finally:
            _end(child, mark)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(child.args, child.returncode, out.read(), err.read())


def _end(child: subprocess.Popen[bytes], mark: str) -> None:
    left = []
    with suppress(psutil.NoSuchProcess):
        left = psutil.Process(child.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    left += [each for each in psutil.process_iter() if mark and _has(each, mark)]
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(left, timeout=_GONE_S)
    child.wait(_GONE_S)


def _has(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error):
        return any(mark in argument for argument in process.cmdline())
    return False
