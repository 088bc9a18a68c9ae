"""Workers that are forked: as alone, as limited and as mortal as those that are started cold.

What every child is held to is in test_process_run and test_process_endings, for both ways.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from kasm_recd import process
from kasm_recd.errors import WorkerFailed
from kasm_recd.process.forking import ForkServer
from tests.fixtures_process import PROGRAM, REPOSITORY, SERVING, fork_server, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from tests.fixtures_process import Children

    Run = Callable[..., Coroutine[Any, Any, process.Finished]]

SLEEP = "import time; time.sleep(600)"


@pytest.fixture
async def server() -> AsyncIterator[ForkServer]:
    """Workers are forked by it."""
    with process.kept_warm(fork_server()) as server:
        yield server


@pytest.fixture
def run(tmp_path: Path, roomy: process.Limits) -> Run:
    """``run(code, **arguments of process.run)``."""

    def run(code: str, **arguments: Any) -> Coroutine[Any, Any, process.Finished]:
        given: dict[str, Any] = {"folder": tmp_path, "limits": roomy} | arguments
        return process.run(told(code), **given)

    return run


async def pid_of(server: ForkServer, run: Run) -> int:
    """The server's, once it has forked."""
    await run("pass")
    assert server.pid is not None
    return server.pid


async def started(run: Run, **arguments: Any) -> asyncio.Task[process.Finished]:
    """A worker that would sleep for minutes, and runs."""
    runs = asyncio.Event()

    async def tell(_child: process.ChildId) -> None:
        runs.set()

    running = asyncio.create_task(run(SLEEP, on_start=tell, **arguments))
    await runs.wait()
    return running


async def test_one_server_forks_all_and_ends_with_the_last_use(
    run: Run, new_children: Callable[[], list[psutil.Process]]
) -> None:
    with process.kept_warm(fork_server()) as server:
        parents = [(await run("import os; print(os.getppid())")).stdout for _ in range(3)]
        assert [int(parent) for parent in parents] == [server.pid] * 3
        assert [child.pid for child in new_children()] == [server.pid]
    assert new_children() == []
    assert server.pid is None


async def test_a_worker_forks_in_its_cage(server: ForkServer, run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret").write_text("hush")
    reading = f"print(open({str(tmp_path / 'secret')!r}).read())"
    caged = await run(reading, folder=tmp_path / "folder")
    assert "PermissionError" in caged.ending
    assert b"hush" not in caged.stdout
    assert server.pid is not None


async def test_no_cage_where_none_is_asked_for(
    server: ForkServer, run: Run, tmp_path: Path, roomy: process.Limits
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "beside").write_text("seen")
    reading = f"print(open({str(tmp_path / 'beside')!r}).read())"
    limits = replace(roomy, cage="off")
    free = await run(reading, folder=tmp_path / "folder", limits=limits)
    assert free.stdout == b"seen\n"
    assert server.pid is not None


async def test_nothing_of_one_worker_is_seen_by_the_next(server: ForkServer, run: Run) -> None:
    await run("import builtins, os; builtins.left = 1; os.environ['LEFT'] = '1'; os.chdir('/')")
    done = await run(
        "import builtins, json, os;"
        "print(json.dumps([hasattr(builtins, 'left'), 'LEFT' in os.environ, os.getcwd() == '/']))"
    )
    assert json.loads(done.stdout) == [False, False, False]
    assert server.pid is not None


async def test_what_a_worker_makes_is_the_daemons_alone(
    server: ForkServer, run: Run, tmp_path: Path
) -> None:
    await run("open('made', 'w').close()")
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600
    assert server.pid is not None


async def test_an_exception_and_an_exit_are_told_as_an_interpreter_tells_them(
    server: ForkServer, run: Run
) -> None:
    failed = await run("raise ValueError('so')")
    assert (failed.code, failed.ending) == (1, "exit code 1 (ValueError: so)")
    assert (await run("raise SystemExit(7)")).code == 7
    assert server.pid is not None


async def test_the_death_of_the_server_is_the_workers_and_the_next_one_has_another(
    server: ForkServer, run: Run
) -> None:
    pid = await pid_of(server, run)
    running = await started(run, check=True)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerFailed, match="killed by SIGKILL"):
        await running
    assert (await run("print('again')")).stdout == b"again\n"
    assert server.pid not in {None, pid}


async def test_a_new_server_is_not_asked_for_a_child_of_the_one_before(
    server: ForkServer, run: Run
) -> None:
    pid = await pid_of(server, run)
    running = await started(run)
    os.kill(pid, signal.SIGKILL)
    server.close()  # as when an order finds it gone, before its worker is seen to have ended
    server.open()
    assert (await running).code == -signal.SIGKILL
    again = await pid_of(server, run)
    assert again == server.pid != pid


async def test_a_server_that_does_not_answer_is_given_up(
    tmp_path: Path, roomy: process.Limits
) -> None:
    argv = process.worker_argv("cut", "--help")
    hanging = ForkServer(["kasm_recd.workers.cut"], answer_s=0.5)
    with process.kept_warm(hanging):
        hanging.open()
        pid = hanging.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        cold = await process.run(argv, folder=tmp_path, limits=roomy)
        assert (cold.code, b"usage" in cold.stdout) == (0, True)
        assert not psutil.pid_exists(pid)


async def test_a_server_that_cannot_start_leaves_workers_cold(
    tmp_path: Path, roomy: process.Limits
) -> None:
    broken = ForkServer(argv=[sys.executable, "-c", "raise SystemExit(3)"])
    argv = process.worker_argv("inspect", "--input", str(tmp_path))
    with process.kept_warm(broken):
        for name in ("cut", "cut", "survey"):
            argv = process.worker_argv(name, "--help")
            done = await process.run(argv, folder=tmp_path, limits=roomy)
            assert done.code == 0
            assert b"usage" in done.stdout
        assert broken.pid is None
        assert not broken.can_start(argv)


async def test_other_programs_are_not_forked(tmp_path: Path, roomy: process.Limits) -> None:
    with process.kept_warm() as server:
        await process.run(["true"], folder=tmp_path, limits=roomy)
        await process.run([sys.executable, "-I", "-c", "pass"], folder=tmp_path, limits=roomy)
        assert server.pid is None


async def test_a_start_that_nobody_waits_for_any_more_leaves_no_worker(
    run: Run, new_children: Children, wait_until: Callable[..., None]
) -> None:
    with process.kept_warm(fork_server()) as server:
        pid = await pid_of(server, run)
        os.kill(pid, signal.SIGSTOP)
        starting = asyncio.create_task(run(SLEEP))
        await asyncio.sleep(0)  # it asks the server, which cannot answer
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        os.kill(pid, signal.SIGCONT)
        await run("pass")  # answered after the one before
        forked = psutil.Process(pid).children
        await asyncio.to_thread(wait_until, lambda: forked() == [], "its worker was ended")
    assert new_children() == []


PARENT = f"""
import asyncio, pathlib, sys
from kasm_recd import process

async def tell(child):
    print(child.pid, flush=True)

async def main():
    limits = process.Limits(10**9, 10**6, 60, 600.0)
    argv = [sys.executable, "-c", {SERVING!r}]
    server = process.ForkServer([{PROGRAM!r}], argv=argv)
    with process.kept_warm(server):
        here = pathlib.Path.cwd()
        await process.run({told(SLEEP)!r}, folder=here, limits=limits, on_start=tell)

asyncio.run(main())
"""


def test_a_killed_daemon_takes_server_and_workers_along(
    tmp_path: Path, wait_gone: Callable[[int], None]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        server = psutil.Process(worker).ppid()
        assert psutil.Process(server).ppid() == parent.pid
        parent.kill()
    wait_gone(worker)
    wait_gone(server)


async def test_many_at_once_each_get_their_own_answer(server: ForkServer, run: Run) -> None:
    answers = await asyncio.gather(*(run(f"print({n})") for n in range(30)))
    assert [int(done.stdout) for done in answers] == list(range(30))
    assert all(done.cpu_s < 60 for done in answers)
    assert server.pid is not None
