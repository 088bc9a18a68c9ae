"""What a piece of work costs: CPU of every process that it starts, wall time and peak memory."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kasm_recd import process
from kasm_recd.recorder import worker_limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kasm_recd.process import ForkServer

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Cost:
    """``cpu_s`` is user and system time, start-up included; ``peak_bytes`` of the largest one."""

    cpu_s: float
    wall_s: float
    peak_bytes: int


def weigh(work: Callable[..., Result], *args: object) -> tuple[Result, Cost]:
    """Does ``work`` in a process of its own, so that nothing else's children count.

    What that process itself uses meanwhile is counted too (the daemon's share), its start is not:
    the daemon is there already. Memory is that of the children alone.
    """
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawning, max_tasks_per_child=1) as apart:
        return apart.submit(_weighed, work, *args).result()


def _weighed(work: Callable[..., Result], *args: object) -> tuple[Result, Cost]:
    used, began = time.process_time(), time.monotonic()
    result = work(*args)
    wall_s, used = time.monotonic() - began, time.process_time() - used
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used + children.ru_utime + children.ru_stime
    return result, Cost(cpu_s, wall_s, children.ru_maxrss * 1024)


def weigh_forked(work: Callable[[], Awaitable[Result]], folder: Path) -> tuple[Result, float]:
    """Does ``work`` in a daemon whose fork server is there: its result, and CPU seconds in all.

    The daemon's share and the server's are counted, the server's one start is not. ``folder`` is to
    start in. Raises RuntimeError where the server was lost, so that workers were started cold.
    """
    return asyncio.run(_weighed_forked(work, folder))


async def _weighed_forked(
    work: Callable[[], Awaitable[Result]], folder: Path
) -> tuple[Result, float]:
    with process.kept_warm() as server:
        usage = process.worker_argv("render", "--help")
        await process.run(usage, folder=folder, limits=worker_limits(), check=True)
        before = used_with(server)
        result = await work()
        if server.pid is None:
            raise RuntimeError("the fork server was lost, so the work was done without it")
        return result, used_with(server) - before


def used_with(server: ForkServer) -> float:
    """CPU seconds of this process, its children that ended, ``server`` and what it forked so far.

    A difference of two of them is what came between.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    serving_s = 0.0
    if server.pid is not None:
        running_ns = Path(f"/proc/{server.pid}/schedstat").read_text().split()[0]
        serving_s = int(running_ns) / 1e9
    own_s = time.process_time() + children.ru_utime + children.ru_stime
    return own_s + server.cpu_s + serving_s
