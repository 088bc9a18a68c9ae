"""Workers started warm: forked from a process that has imported already what they need.

Python, NumPy and FFmpeg's libraries take 0.15 CPU seconds to load, more than most of the work on a
short clip. The fork server (:mod:`kasm_recd.workers.fork_server`) loads them once::

    daemon -- one socket: an order, two pipes' ends --> fork server -- fork --> worker
       <------------------ stdout, stderr, pidfd ------------------------------------/

It holds no secret, reads no recording, and forks before it knows anything of one. A worker that it
forked is under the same limits, in the same cage, and as alone in its group as one that the daemon
started; it dies with the server, and the server with the daemon. Where the server cannot be had,
workers are started cold.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from kasm_recd.cage import policy
from kasm_recd.errors import WorkerFailed
from kasm_recd.log import get_logger
from kasm_recd.process.command import NICENESS, environment, name_of, worker_argv, wrapper
from kasm_recd.process.launch import Exit, Launched

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kasm_recd.process.command import Limits

log = get_logger(__name__)

#: What the daemon starts often.
WORKERS: Final = ("cut", "survey", "replay", "render")
ANSWER_S: Final = 30.0  # a server that has not answered by then is given up
LONGEST_ANSWER: Final = 4096  # bytes
REAP_S: Final = 5.0

_LOST: Final = Exit(-signal.SIGKILL, 0.0)  # who dies with the server dies of this


class ForkServerLost(Exception):
    """It ended or does not answer; what it was asked for has to be done without it."""


class ForkServer:
    """The fork server as the daemon sees it; started when it is first needed.

    To be used from one event loop, in the main thread.
    """

    def __init__(
        self, modules: Sequence[str] = (), *, argv: Sequence[str] = (), answer_s: float = ANSWER_S
    ) -> None:
        """``modules`` are the workers that it can become; ``argv`` takes its place in tests."""
        names = [f"kasm_recd.workers.{name}" for name in WORKERS]
        self._modules = frozenset(modules or names)
        self._argv = list(argv) or worker_argv("fork_server", *sorted(self._modules))
        self._answer_s = answer_s
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._asked: deque[asyncio.Future[Any]] = deque()
        self.cpu_s = 0.0  # of all workers that it forked and that ended
        self._useless = False  # it ended before it answered anything
        self._answered = False

    @property
    def pid(self) -> int | None:
        """The server's process, while there is one."""
        return self._process.pid if self._process else None

    def can_start(self, argv: Sequence[str]) -> bool:
        """Whether ``argv`` is the command line of a worker that it can become."""
        ours = list(argv[:3]) == [sys.executable, "-I", "-m"]
        return ours and argv[3] in self._modules and not self._useless

    def open(self) -> None:
        """Start the server; raises ForkServerLost where it cannot be."""
        command = [wrapper()[0], "--pdeathsig", "KILL", "--no-new-privs", *self._argv]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    env=environment("/"),
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                self._useless = True
                raise ForkServerLost from error
        ours.settimeout(0)
        self._socket, self._answered = ours, False
        asyncio.get_running_loop().add_reader(ours, self._hear)

    async def start(self, argv: Sequence[str], limits: Limits, folder: Path) -> Launched:
        """Fork a worker for ``argv`` in ``folder``, under ``limits``.

        Raises:
            ForkServerLost: there is no server to be had; nothing was started.
            WorkerFailed: no process or descriptor to be had, or no such folder.
        """
        order = _order(argv, limits, folder)
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                pipes = [os.pipe2(os.O_CLOEXEC) for _ in ("stdout", "stderr")]
            except OSError as error:
                raise WorkerFailed(f"{name_of(argv)} could not be started: {error}") from error
            streams = [ours.enter_context(os.fdopen(read, "rb", 0)) for read, _ in pipes]
            for _, write in pipes:
                theirs.callback(os.close, write)
            if self._socket is None:
                self.open()
            server = self._socket
            asked = self._ask(order, [write for _, write in pipes])
            theirs.close()
            pid = await self._pid(asked)
            ours.pop_all()
        return Launched(pid, streams[0], streams[1], lambda: self._reap(pid, server))

    def close(self) -> None:
        """End the server, and with it what it forked."""
        self._lose("it is not needed any more")

    async def _pid(self, asked: asyncio.Future[Any]) -> int:
        """The worker's pid; a worker that nobody waits for any more is ended."""
        try:
            async with asyncio.timeout(self._answer_s):
                answer = await asyncio.shield(asked)
        except TimeoutError:
            log.warning("fork_server.lost", cause=f"no answer within {self._answer_s:g} s")
            self._lose("it does not answer")
            raise ForkServerLost from None
        except asyncio.CancelledError:
            asked.add_done_callback(self._end_unwanted)
            raise
        if "failed" in answer:
            raise WorkerFailed(f"no process could be forked: {answer['failed']}")
        return int(answer["pid"])

    def _end_unwanted(self, asked: asyncio.Future[Any]) -> None:
        if asked.exception() is None and "pid" in asked.result():
            pid = asked.result()["pid"]
            if self._socket is not None:  # else it died with the server, and its number is free
                os.kill(pid, signal.SIGKILL)
            self._reap(pid, self._socket)

    def _reap(self, pid: int, server: socket.socket | None) -> asyncio.Future[Exit]:
        """How the ended or dying ``pid`` ended, as ``server`` tells that forked it."""
        ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

        def tell(asked: asyncio.Future[Any]) -> None:
            lost = asked.cancelled() or asked.exception() is not None
            exit_ = _LOST if lost else Exit(*asked.result()["exit"])
            self.cpu_s += exit_.cpu_s
            ended.set_result(exit_)

        if server is not self._socket:  # another one by now, which never had that child
            ended.set_result(_LOST)
            return ended
        try:
            self._ask({"reap": pid}).add_done_callback(tell)
        except ForkServerLost:
            ended.set_result(_LOST)
        return ended

    def _ask(self, order: dict[str, Any], descriptors: Sequence[int] = ()) -> asyncio.Future[Any]:
        """The answer to ``order``, which comes in its turn."""
        try:
            if self._socket is None:
                raise ForkServerLost
            socket.send_fds(self._socket, [json.dumps(order).encode()], descriptors)
        except OSError as error:  # also where it has not taken so many orders that none goes in
            log.warning("fork_server.lost", cause=str(error))
            self._lose(str(error))
            raise ForkServerLost from error
        asked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        return asked

    def _hear(self) -> None:
        assert self._socket is not None  # noqa: S101 - for the type checker
        try:
            said = self._socket.recv(LONGEST_ANSWER)
        except BlockingIOError:  # woken for nothing
            return
        except OSError:
            said = b""
        if not said:
            log.warning("fork_server.lost", cause="it ended")
            self._lose("it ended")
            return
        self._answered = True
        asked = self._asked.popleft()
        if not asked.done():
            asked.set_result(json.loads(said))

    def _lose(self, why: str) -> None:
        """There is no server any more; the next order opens another, unless this one was no use."""
        if self._socket is None or self._process is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # hangs in the kernel
            self._process.wait(REAP_S)
        self._socket = self._process = None
        self._useless = not self._answered
        for asked in self._asked:
            if not asked.done():
                asked.set_exception(ForkServerLost(why))
                asked.exception()  # a worker that nobody waits for any more asks for nothing
        self._asked.clear()


def _order(argv: Sequence[str], limits: Limits, folder: Path) -> dict[str, Any]:
    """What the server needs to make of a fork what ``command.chain`` makes of a process."""
    if not folder.is_dir():
        raise WorkerFailed(f"{name_of(argv)} could not be started: {folder} is no folder")
    return {
        "module": argv[3],
        "arguments": list(argv[4:]),
        "folder": str(folder),
        "environment": environment(folder),
        "niceness": NICENESS,
        "memory": limits.memory,
        "file_size": limits.file_size,
        "cpu_seconds": limits.cpu_seconds,
        "cage": limits.cage,
        "rules": [] if limits.cage == "off" else policy.rules(argv, folder),
    }
