"""However a child is to end, its whole group ends, and nobody waits for ever."""

from __future__ import annotations

import asyncio
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

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from tests.fixtures_process import Children

    Run = Callable[..., Coroutine[Any, Any, process.Finished]]
    Gone = Callable[[int], None]

STUBBORN = """
import signal, subprocess, sys, time
for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_IGN)
grandchild = subprocess.Popen(['sleep', '600'])
print(grandchild.pid, file=sys.stderr, flush=True)
time.sleep(600)
"""


class Pids(list[int]):
    """Hears the grandchild's pid on stderr."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()

    def __call__(self, line: str) -> None:
        self.append(int(line))
        self.heard.set()


async def test_a_deadline_ends_the_whole_group(
    run_python: Run, roomy: process.Limits, wait_gone: Gone, new_children: Children
) -> None:
    pids = Pids()
    with pytest.raises(WorkerFailed, match=r"(python|worker).* ran past its deadline of 4 s"):
        await run_python(STUBBORN, limits=replace(roomy, deadline_s=4.0), on_stderr_line=pids)
    wait_gone(*pids)
    assert new_children() == []


async def test_cancellation_ends_the_whole_group_and_reaps_it(
    run_python: Run, wait_gone: Gone, new_children: Children
) -> None:
    pids = Pids()
    task = asyncio.create_task(run_python(STUBBORN, on_stderr_line=pids))
    await asyncio.wait_for(pids.heard.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    wait_gone(*pids)
    assert new_children() == []


async def test_a_second_cancellation_leaves_no_zombie(
    run_python: Run, wait_until: Callable[..., None], new_children: Children
) -> None:
    pids = Pids()
    task = asyncio.create_task(run_python(STUBBORN, on_stderr_line=pids))
    await asyncio.wait_for(pids.heard.wait(), 20)
    task.cancel()
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_until, lambda: new_children() == [], "the loop reaped the child")


async def test_a_cancellation_before_the_first_step_leaves_nothing(
    run_python: Run, new_children: Children
) -> None:
    started = asyncio.Event()

    async def never_done(_child: process.ChildId) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run_python("import time; time.sleep(600)", on_start=never_done))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert new_children() == []


async def test_a_failing_start_hook_ends_the_child(run_python: Run, new_children: Children) -> None:
    async def journal_is_gone(_child: process.ChildId) -> None:
        raise RuntimeError("journal")

    with pytest.raises(RuntimeError, match="journal"):
        await run_python("import time; time.sleep(600)", on_start=journal_is_gone)
    assert new_children() == []


async def test_a_timeout_of_the_start_hook_is_not_taken_for_the_deadline(run_python: Run) -> None:
    async def slow(_child: process.ChildId) -> None:
        raise TimeoutError("journal")

    with pytest.raises(TimeoutError, match="journal"):
        await run_python("import time; time.sleep(600)", on_start=slow)


async def test_a_grandchild_left_in_the_group_ends_with_the_child(
    run_python: Run, wait_gone: Gone
) -> None:
    done = await run_python(
        "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
    )
    assert done.code == 0
    wait_gone(int(done.stdout))


async def test_a_grandchild_that_left_the_group_and_holds_the_pipes_hangs_nobody(
    run_python: Run, roomy: process.Limits
) -> None:
    done = await run_python(
        "import subprocess; "
        "print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True)",
        limits=replace(roomy, deadline_s=20.0),
    )
    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.code == 0


async def test_what_was_said_before_a_sudden_end_is_kept(run_python: Run) -> None:
    done = await run_python(
        "import os; os.write(1, b'x' * 60000); os.write(2, b'last word'); os.kill(os.getpid(), 9)"
    )
    assert (done.code, len(done.stdout)) == (-9, 60000)
    assert done.ending == "killed by SIGKILL (last word)"


PARENT = """
import asyncio, pathlib, sys
from kasm_recd import process

async def tell(child):
    print(child.pid, flush=True)

limits = process.Limits(10**9, 10**6, 60, 600.0)
asyncio.run(process.run(['sleep', '600'], folder=pathlib.Path.cwd(), limits=limits, on_start=tell))
"""


def test_a_killed_daemon_takes_its_children_along(tmp_path: Path, wait_gone: Gone) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=tmp_path, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        name = psutil.Process(child).name
        while name() != "sleep":  # the exec chain is not through yet
            assert psutil.pid_exists(child)
        parent.kill()
    wait_gone(child)


@pytest.fixture
def leftover() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as left:
        yield left
        left.kill()


def _started(pid: int) -> float:
    return psutil.Process(pid).create_time()


def test_a_leftover_is_ended_by_pid_and_start_time(leftover: subprocess.Popen[bytes]) -> None:
    child = process.ChildId(leftover.pid, _started(leftover.pid))
    assert process.end_leftover(child)
    assert not psutil.pid_exists(leftover.pid)
    assert not process.end_leftover(child)


def test_a_boot_time_that_moved_a_little_is_the_same_start(
    leftover: subprocess.Popen[bytes],
) -> None:
    assert process.end_leftover(process.ChildId(leftover.pid, _started(leftover.pid) + 1.0))


def test_another_process_with_the_same_pid_is_left_alone(
    leftover: subprocess.Popen[bytes],
) -> None:
    earlier = process.ChildId(leftover.pid, _started(leftover.pid) - 60.0)
    assert not process.end_leftover(earlier)
    assert leftover.poll() is None


def test_a_process_that_leads_no_group_of_its_own_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "600"]) as member:
        assert not process.end_leftover(process.ChildId(member.pid, _started(member.pid)))
        assert member.poll() is None
        member.kill()
