"""Admission beside a bare aiohttp handler: answers at 300 a second while both cores encode.

Both servers run at once and are asked by turns, so that they meet the same machine. A time
counts from when the question was due (open loop), whatever the answer before it took.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import lzma
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from kasm_recd.client import ask
from kasm_recd.errors import ControlRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RATE: Final = 300  # questions a second
TURN_S: Final = 4.0
TURNS: Final = 4
CLOSED: Final = 2000  # questions of a turn at full speed
CALLERS: Final = 8
FSYNCS: Final = 100  # pairs, each turn
COMMIT: Final = 40_960  # bytes, about what the journal writes for one session
ALLOWED_MS: Final = 3.0
START_S: Final = 60.0
RECORDING: Final = Path("tests/data/recordings/ssh-work.guac.xz")

BARE: Final = """
import asyncio, sys
from aiohttp import web
async def answer(request):
    await request.read()
    return web.json_response({"decision": "allow"})
async def main():
    application = web.Application()
    application.router.add_post("/v1/admission", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, sys.argv[1]).start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


@dataclass
class Server:
    """One of the two, and the connections to it that are free."""

    path: Path
    process: psutil.Process
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, body: bytes) -> int:
        """The HTTP status; the connection is kept for the next."""
        while self.free:
            reader, writer = self.free.pop()
            if not reader.at_eof():  # nor closed meanwhile, having been idle
                break
        else:
            reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(
            b"POST /v1/admission HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        self.free.append((reader, writer))
        return int(head[9:12])

    def cpu_s(self) -> float:
        """User and system time so far."""
        used = self.process.cpu_times()
        return used.user + used.system


def question(number: int, *, recorded: bool = True) -> bytes:
    return json.dumps(
        {
            "kasm_id": f"bench-{number}",
            "record_sessions": recorded,
            "username": "ann",
            "user_id": "7f3a",
            "image_id": "i-1",
            "image_friendly_name": "Terminal",
            "created_timestamp": "2026-01-01T00:00:00Z",
        }
    ).encode()


def run() -> dict[str, Any]:
    """Prints a line for each figure and gives them all by name."""
    with tempfile.TemporaryDirectory(prefix="kasm-recd-bench-", dir=".") as made:
        folder = Path(made).absolute()
        with started(bare_argv(folder), folder) as bare, started(our_argv(), folder) as ours:
            servers = Server(folder / "bare.sock", bare), Server(folder / "ours.sock", ours)
            return asyncio.run(measure(*servers, folder))


async def measure(bare: Server, ours: Server, folder: Path) -> dict[str, Any]:
    await asyncio.to_thread(wait_healthy, ours.path)
    numbers = itertools.count()
    rates = {
        name: await full_speed(bare, ours, make)
        for name, make in (
            ("repeated", lambda: question(0)),
            ("unrecorded", lambda: question(0, recorded=False)),
        )
    }
    with encoding(folder):
        await asyncio.sleep(2)
        waits: dict[str, list[float]] = {"bare": [], "ours": []}
        fsyncs: list[float] = []
        for _ in range(TURNS):
            waits["bare"] += await open_loop(bare, lambda: question(0))
            waits["ours"] += await open_loop(ours, lambda: question(next(numbers) + 1))
            fsyncs += await asyncio.to_thread(fsync_times, folder / "fsynced")
    p99 = {name: percentile(each, 99) for name, each in waits.items()}
    two = percentile(fsyncs, 99)
    bound = p99["bare"] + two + ALLOWED_MS
    medians = {name: statistics.median(each) for name, each in waits.items()}
    print(
        f"p99 at {RATE}/s, both cores encoding: {p99['ours']:.1f} ms, bare {p99['bare']:.1f}, "
        f"two fsyncs {two:.1f} (median {statistics.median(fsyncs):.1f}): bound {bound:.1f}; "
        f"medians {medians['ours']:.1f} and {medians['bare']:.1f}"
    )
    return {"p99_ms": p99, "two_fsyncs_ms": two, "bound_ms": bound, "rates": rates}


async def open_loop(server: Server, make: Callable[[], bytes]) -> list[float]:
    """Milliseconds from when each question was due to its answer."""
    loop, waits = asyncio.get_running_loop(), []
    began = loop.time()

    async def one(due: float) -> None:
        status = await server.ask(make())
        waits.append((loop.time() - due) * 1000)
        if status != 200:
            raise RuntimeError(f"{server.path.name} answered {status}")

    async with asyncio.TaskGroup() as group:
        for number in range(int(RATE * TURN_S)):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - loop.time()))
            group.create_task(one(due))
    return waits


async def full_speed(bare: Server, ours: Server, make: Callable[[], bytes]) -> dict[str, float]:
    """Answers a second, and a CPU second of the server, as a share of the bare handler's."""
    await ours.ask(make())  # the first of them is no repetition
    wall: dict[str, list[float]] = {"bare": [], "ours": []}
    cpu: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(TURNS):
        for name, server in (("bare", bare), ("ours", ours)):
            began, used = time.perf_counter(), server.cpu_s()

            async def caller(server: Server = server) -> None:
                for _ in range(CLOSED // CALLERS):
                    await server.ask(make())

            await asyncio.gather(*(caller() for _ in range(CALLERS)))
            wall[name].append(CLOSED / (time.perf_counter() - began))
            cpu[name].append(CLOSED / max(server.cpu_s() - used, 0.001))
    rate = {name: statistics.median(each) for name, each in wall.items()}
    cpu_rate = {name: statistics.median(each) for name, each in cpu.items()}
    share, cpu_share = rate["ours"] / rate["bare"], cpu_rate["ours"] / cpu_rate["bare"]
    kind = "repeated" if json.loads(make())["record_sessions"] else "unrecorded"
    print(
        f"{kind}: {rate['ours']:.0f}/s, {share:.0%} of the bare handler's (60 % wanted); a CPU "
        f"second answers {cpu_rate['ours']:.0f}, {cpu_share:.0%}"
    )
    return {"per_s": rate["ours"], "share": share, "cpu_share": cpu_share}


def fsync_times(path: Path) -> list[float]:
    """Milliseconds of two appends with fsync: a commit under way, and then one's own."""
    times = []
    with path.open("ab", buffering=0) as file:
        for _ in range(FSYNCS):
            began = time.perf_counter()
            for _ in range(2):
                file.write(bytes(COMMIT))
                os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return times


def percentile(values: list[float], which: int) -> float:
    return statistics.quantiles(values, n=100)[which - 1]


def bare_argv(folder: Path) -> list[str]:
    return [sys.executable, "-c", BARE, str(folder / "bare.sock")]


def our_argv() -> list[str]:
    return [sys.executable, "-m", "kasm_recd", "run", "--config", "", "--socket", "ours.sock"]


def environment(folder: Path) -> dict[str, str]:
    settings = {
        "recording_dir": folder / "recordings",
        "spool_dir": folder / "spool",
        "session_recording_upload_location": f"file://{folder}/clips/{{kasm_id}}.mp4",
        "min_free": "1MB",
        "ballast_size": 0,
        "session_recording_guac_disk_limit": 1,
        "session_reserve": 0,
        "appear_within": "1h",
        "admission_rate": 0,
    }
    return os.environ | {f"KASM_RECD_{k.upper()}": str(value) for k, value in settings.items()}


@contextlib.contextmanager
def started(argv: list[str], folder: Path) -> Iterator[psutil.Process]:
    (folder / "recordings").mkdir(exist_ok=True)
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(
            argv,
            cwd=folder,
            env=environment(folder),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield psutil.Process(child.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@contextlib.contextmanager
def encoding(folder: Path) -> Iterator[None]:
    """Both cores encode, as the daemon's workers do: caged, limited, niced."""
    recording = folder / "recording.guac"
    recording.write_bytes(lzma.decompress(RECORDING.read_bytes()))
    with contextlib.ExitStack() as encoders:
        for number in range(os.cpu_count() or 2):
            argv = [
                sys.executable,
                "-m",
                "kasm_recd",
                "encode",
                str(recording),
                "--framerate",
                "25",
            ]
            argv += ["--size", "1280x720", "-o", str(folder / f"clip-{number}.mp4")]
            loop = f"while {shlex.join(argv)}; do :; done"
            encoders.enter_context(started(["bash", "-c", loop], folder))
        yield


def wait_healthy(path: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(ControlRefused):
            status, answer = ask(path, "GET", "/v1/health")
            if status == 200:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"the daemon is not healthy: {answer}")
        if time.monotonic() > deadline:
            raise RuntimeError("the daemon does not answer")
        time.sleep(0.1)
