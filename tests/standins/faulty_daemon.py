"""The daemon, with a fault: ``python faulty_daemon.py run …`` is ``kasm-recd run …``.

``KASM_RECD_TEST_FAULT`` is ``POINT:before`` or ``POINT:after``, with ``:N`` for the Nth time: there
the process ends as by kill -9. The points are the steps of a roll, wrapped from outside; the
product knows nothing of them. ``KASM_RECD_TEST_NO_HOLES`` makes a file system that can punch none.
``KASM_RECD_TEST_WORKER_FAULTS`` is a list of ``WORKER:POINT`` (see ``faulty_worker.py``): each is
for one start of that worker, in their order. Whatever failed is then tried again at once.
``KASM_RECD_TEST_SLOW_CLOSE`` is how many seconds the journal takes to close, with the status line
brought up to date all the time.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import inspect
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasm_recd import cli, daemon, disk, preambles, process, sidecar
from kasm_recd.journal import Journal
from kasm_recd.journal.writer import Writer
from kasm_recd.packing import Parcel
from kasm_recd.recorder import building, preambles_due, stages
from kasm_recd.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FAULTY_WORKER = str(Path(__file__).with_name("faulty_worker.py"))

#: Name -> (where it is looked up, attribute).
POINTS: dict[str, tuple[Any, str]] = {
    "worker": (Segmenter, "_run_worker"),
    "sidecar": (sidecar, "write"),
    "publish": (disk, "publish"),
    "seal": (Journal, "seal"),
    "punch": (disk, "punch"),
    "replayed": (preambles, "publish"),
    "encoded": (Journal, "move_segment"),
    "learned": (Journal, "update_segment"),
    "packed": (Parcel, "seal"),
}


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def with_fault(function: Callable[..., Any], moment: str, number: int) -> Callable[..., Any]:
    calls = 0

    def is_the_one() -> bool:
        nonlocal calls
        calls += 1
        return calls == number

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waiting(*args: Any, **kwargs: Any) -> Any:
            hit = is_the_one()
            if hit and moment == "before":
                end()
            result = await function(*args, **kwargs)
            if hit:
                end()
            return result

        return waiting

    @functools.wraps(function)
    def calling(*args: Any, **kwargs: Any) -> Any:
        hit = is_the_one()
        if hit and moment == "before":
            end()
        result = function(*args, **kwargs)
        if hit:
            end()
        return result

    return calling


def no_holes(*_: object, **__: object) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def with_faulty_workers(faults: list[list[str]]) -> None:
    run, policy = process.run, building.encode_policy

    async def run_faulty(argv: Sequence[str], **given: Any) -> Any:
        name = argv[3].rpartition(".")[2] if list(argv[1:3]) == ["-I", "-m"] else ""
        for fault in faults:
            if fault[0] == name:
                faults.remove(fault)
                argv = [argv[0], "-I", FAULTY_WORKER, *fault, *argv[4:]]
                break
        return await run(argv, **given)

    process.run = run_faulty
    building.encode_policy = lambda settings: replace(policy(settings), back_off_s=0.01)
    stages.CUT_AGAIN_S = preambles_due.REPLAY_AGAIN_S = 0.01  # type: ignore[misc]


def with_slow_close(seconds: float) -> None:
    close = Writer.close

    async def close_slowly(self: Writer) -> None:
        await asyncio.sleep(seconds)
        await close(self)

    Writer.close = close_slowly  # type: ignore[method-assign]
    daemon.BEAT_S = 0.01  # type: ignore[misc]


def main() -> int:
    if fault := os.environ.pop("KASM_RECD_TEST_FAULT", ""):
        point, moment, *number = fault.split(":")
        home, name = POINTS[point]
        setattr(home, name, with_fault(getattr(home, name), moment, int(*number or ("1",))))
    if faults := os.environ.pop("KASM_RECD_TEST_WORKER_FAULTS", ""):
        with_faulty_workers([fault.split(":") for fault in faults.split(",")])
    if seconds := os.environ.pop("KASM_RECD_TEST_SLOW_CLOSE", ""):
        with_slow_close(float(seconds))
    if os.environ.pop("KASM_RECD_TEST_NO_HOLES", ""):
        disk.punch = no_holes
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
