"""A worker that ends as by kill -9: ``python -I faulty_worker.py NAME POINT …`` is worker NAME.

The points, in the order in which a worker passes them: ``opened`` (its output file is there, and
empty), ``unsynced`` (all is written and nothing is on the disk), ``synced``, and ``told`` (its
result is printed).
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ends_opened() -> None:
    real = os.open

    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        descriptor = real(path, flags, *args, **kwargs)
        if flags & os.O_CREAT:
            end()
        return descriptor

    os.open = opened


def ends_unsynced() -> None:
    os.fsync = lambda fd: end()  # noqa: ARG005 - as the real one


def ends_synced() -> None:
    real = os.fsync

    def synced(fd: Any) -> None:
        real(fd)
        end()

    os.fsync = synced


POINTS = {"opened": ends_opened, "unsynced": ends_unsynced, "synced": ends_synced}


def main() -> None:
    name, point = sys.argv[1:3]
    sys.argv[1:3] = []
    POINTS.get(point, lambda: None)()
    importlib.import_module(f"kasm_recd.workers.{name}").main()
    sys.stdout.flush()
    end()


if __name__ == "__main__":
    main()
