"""The daemon, with a fault: ``python faulty_daemon.py run …`` is ``kasm-recd run …``.

``KASM_RECD_TEST_FAULT`` is ``POINT:before`` or ``POINT:after``, with ``:N`` for the Nth time: there
the process ends as by kill -9. The points are the steps of a roll, wrapped from outside; the
product knows nothing of them. ``KASM_RECD_TEST_NO_HOLES`` makes a file system that can punch none.
"""

from __future__ import annotations

import errno
import functools
import inspect
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from kasm_recd import cli, disk, preambles, sidecar
from kasm_recd.journal import Journal
from kasm_recd.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable

#: Name -> (where it is looked up, attribute).
POINTS: dict[str, tuple[Any, str]] = {
    "worker": (Segmenter, "_run_worker"),
    "sidecar": (sidecar, "write"),
    "publish": (disk, "publish"),
    "seal": (Journal, "seal"),
    "punch": (disk, "punch"),
    "replayed": (preambles, "publish"),
    "encoded": (Journal, "move_segment"),
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


def main() -> int:
    if fault := os.environ.pop("KASM_RECD_TEST_FAULT", ""):
        point, moment, *number = fault.split(":")
        home, name = POINTS[point]
        setattr(home, name, with_fault(getattr(home, name), moment, int(*number or ("1",))))
    if os.environ.pop("KASM_RECD_TEST_NO_HOLES", ""):
        disk.punch = no_holes
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
