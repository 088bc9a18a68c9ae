"""The fork server: imports what workers need once, and becomes one worker for each order.

``python -I -m kasm_recd.workers.fork_server MODULE …`` reads orders from the socket that is its
stdin (see :mod:`kasm_recd.process.forking`): fork a worker of MODULE, whose stdout and stderr come
along, or reap one that ended. Each is answered with one JSON object, in turn: ``pid`` or
``failed``; ``exit``, which is the exit code, negative for a signal, and CPU seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final, NoReturn

from kasm_recd.cage import confine, landlock

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_ORDER: Final = 200_000  # bytes; a socket of this kind takes no more at once
_SET_DEATH_SIGNAL, _SET_NAME = 1, 15  # see prctl in section 2 of the manual
_NAME_LENGTH: Final = 15  # bytes


def main(modules: Sequence[str]) -> int:
    """Serve until the daemon closes its end; returns the exit code."""
    _call_it("fork_server")
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what was imported stays in memory that all workers share
    with socket.socket(fileno=os.dup(0)) as daemon:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        while True:
            said, descriptors, _, _ = socket.recv_fds(daemon, LONGEST_ORDER, 2)
            if not said:
                return 0
            order = json.loads(said)
            answer = _reap(order["reap"]) if "reap" in order else _fork(order, descriptors)
            daemon.send(json.dumps(answer).encode())


def _reap(pid: int) -> dict[str, Any]:
    _, status, usage = os.wait4(pid, 0)
    return {"exit": [os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime]}


def _fork(order: dict[str, Any], descriptors: Sequence[int]) -> dict[str, Any]:
    """Answered once the worker leads its group, so that whoever is told of it can end it."""
    heard, leads = os.pipe2(os.O_CLOEXEC)
    server = os.getpid()
    try:
        pid = os.fork()
        if not pid:
            _become(order, descriptors, server)
        os.close(leads)
        os.read(heard, 1)  # the end of the pipe: it has let go of it
    except OSError as error:
        os.close(leads)
        return {"failed": str(error)}
    finally:
        for descriptor in (heard, *descriptors):
            os.close(descriptor)
    return {"pid": pid}


def _become(order: dict[str, Any], descriptors: Sequence[int], server: int) -> NoReturn:
    """The worker's whole life."""
    code = confine.REFUSED
    try:
        os.setsid()
        landlock.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != server:  # it was gone before the signal was asked for
            os._exit(code)
        for number, descriptor in enumerate(descriptors, start=1):
            os.dup2(descriptor, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _give_up_rights(order)
        code = 1  # as an interpreter's own, from here on
        code = _run(order["module"], order["arguments"])
    except BaseException:  # noqa: BLE001 - nothing of it may come back to the server's loop
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)


def _give_up_rights(order: dict[str, Any]) -> None:
    """What setpriv, prlimit, nice and the cage do for a worker that is started cold."""
    _call_it(order["module"].rpartition(".")[2])
    os.umask(0o077)  # what it makes is the daemon's alone
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    os.nice(order["niceness"])
    cpu_s = order["cpu_seconds"]
    for limit, values in (
        (resource.RLIMIT_AS, (order["memory"],) * 2),
        (resource.RLIMIT_FSIZE, (order["file_size"],) * 2),
        (resource.RLIMIT_CORE, (0, 0)),
        (resource.RLIMIT_CPU, (cpu_s, cpu_s + 1)),
    ):
        resource.setrlimit(limit, values)
    if order["cage"] != "off":
        rules = confine.read_rules(order["rules"])
        confine.enter(rules, require=order["cage"] == "require")


def _call_it(name: str) -> None:
    """What ``ps -o comm`` shows of this process; the command line stays the server's."""
    ctypes.CDLL(None).prctl(_SET_NAME, name.encode()[:_NAME_LENGTH], 0, 0, 0)


def _run(module: str, arguments: Sequence[str]) -> int:
    sys.argv = [module, *arguments]
    try:
        return int(importlib.import_module(module).main())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
