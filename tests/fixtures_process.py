"""Children that are short Python programs, and a way to wait until a process is gone."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from kasm_recd import process

if TYPE_CHECKING:
    from collections.abc import Coroutine

WAIT_S = 20.0


Children = Callable[[], list[psutil.Process]]


@pytest.fixture
def new_children() -> Children:
    """This process's children but for those, such as a test server, that it had before."""
    before = psutil.Process().children()
    return lambda: [child for child in psutil.Process().children() if child not in before]


@pytest.fixture
def roomy() -> process.Limits:
    """Limits that no well-behaved child notices."""
    return process.Limits(
        memory=2_000_000_000, file_size=1_000_000_000, cpu_seconds=60, deadline_s=60.0
    )


REPOSITORY = Path(__file__).parents[1]
PROGRAM = "tests.child_program"
SERVING = (
    f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); "
    f"from kasm_recd.workers.fork_server import main; sys.exit(main([{PROGRAM!r}]))"
)


def fork_server(**arguments: Any) -> process.ForkServer:
    """A server that becomes :mod:`tests.child_program`."""
    return process.ForkServer([PROGRAM], argv=[sys.executable, "-c", SERVING], **arguments)


def told(code: str) -> list[str]:
    """The command line of a worker that does ``code``."""
    return [sys.executable, "-I", "-m", PROGRAM, code]


@pytest.fixture(params=["cold", "warm"])
def run_python(
    tmp_path: Path, roomy: process.Limits, request: pytest.FixtureRequest
) -> Callable[..., Coroutine[Any, Any, process.Finished]]:
    """``run_python(code, **arguments of process.run)``, in each way that a child can be started."""

    async def cold(code: str, **arguments: Any) -> process.Finished:
        given: dict[str, Any] = {"folder": tmp_path, "limits": roomy} | arguments
        return await process.run([sys.executable, "-I", "-c", code], **given)

    async def warm(code: str, **arguments: Any) -> process.Finished:
        given: dict[str, Any] = {"folder": tmp_path, "limits": roomy} | arguments
        with process.kept_warm(fork_server()) as server:
            done = await process.run(told(code), **given)
            assert server.pid is not None, "it was started cold"
            return done

    return warm if request.param == "warm" else cold


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {WAIT_S} s")
        time.sleep(0.01)


def _ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], str], None]:
    """``wait_until(condition, what)`` fails the test where the condition does not come true."""
    return _until


@pytest.fixture
def wait_gone() -> Callable[[int], None]:
    """``wait_gone(pid)`` waits until that process runs no more."""

    def gone(pid: int) -> None:
        _until(functools.partial(_ended, pid), f"process {pid} ended")

    return gone
