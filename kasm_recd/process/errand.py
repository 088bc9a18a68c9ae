"""A command of the operator's: no shell, no secrets, a deadline, and nothing left of it.

Unlike a worker it is let out: what it does may need the network. What it prints goes where the
daemon's own log goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from kasm_recd.errors import WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


async def run_errand(argv: Sequence[str], told: Mapping[str, str], *, deadline_s: float) -> int:
    """Runs ``argv`` with ``told`` as its environment, beside PATH and LANG; its exit code.

    Raises:
        WorkerFailed: it could not be started, or ran past its deadline; its group was killed.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **told}
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # also a NUL in what it is told
        raise WorkerFailed(f"{argv[0]} could not be started: {error}") from error
    try:
        async with asyncio.timeout(deadline_s):
            return await child.wait()
    except TimeoutError:
        message = f"{argv[0]} ran past its deadline of {deadline_s:g} s and was ended"
        raise WorkerFailed(message) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # and whatever it left behind
        await child.wait()
