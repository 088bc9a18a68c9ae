"""What a child is given, and what is told of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd import process
from kasm_recd.errors import DiskFull, EncoderMissing, WorkerFailed
from kasm_recd.process.pipes import TAIL, Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from tests.fixtures_process import Children

    Run = Callable[..., Coroutine[Any, Any, process.Finished]]


async def test_output_messages_and_exit_code_are_told(run_python: Run) -> None:
    done = await run_python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (done.code, done.stdout, done.stderr_tail) == (3, b"out\n", "err\n")
    assert done.ending == "exit code 3 (err)"


async def test_cpu_seconds_are_measured(run_python: Run) -> None:
    done = await run_python("import time\nwhile time.process_time() < 0.3: pass")
    assert done.cpu_s >= 0.3


async def test_the_environment_is_made_from_nothing(
    run_python: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KASM_RECD_RECORDING_OBJECT_STORAGE_SECRET", "hush")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    done = await run_python("import json, os; print(json.dumps(dict(os.environ)))")
    seen = json.loads(done.stdout)
    assert set(seen) == {
        "PATH",
        "LANG",
        "HOME",
        "TMPDIR",
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
    }
    assert seen["TMPDIR"] == str(tmp_path)


async def test_a_child_is_nice_in_its_folder_alone_in_its_group_and_without_input(
    run_python: Run, tmp_path: Path
) -> None:
    done = await run_python(
        "import os, sys, resource as r, json; print(json.dumps([os.nice(0), os.getcwd(),"
        "os.getpgid(0) == os.getpid() == os.getsid(0), sys.stdin.read(),"
        "r.getrlimit(r.RLIMIT_CORE)]))"
    )
    niceness, folder, leads, stdin, core = json.loads(done.stdout)
    assert niceness >= 10
    assert (folder, leads, stdin, core) == (str(tmp_path), True, "", [0, 0])


async def test_a_child_inherits_no_descriptor_and_can_gain_no_privilege(
    run_python: Run, tmp_path: Path
) -> None:
    with (tmp_path / "open").open("w"):
        done = await run_python(
            "import os; print(sorted(os.listdir('/proc/self/fd'))); "
            "print('NoNewPrivs:\\t1' in open('/proc/self/status').read())"
        )
    descriptors, no_new_privileges = done.stdout.decode().splitlines()
    assert descriptors == "['0', '1', '2', '3']"  # 3 is the listing itself
    assert no_new_privileges == "True"


async def test_memory_is_limited(run_python: Run, roomy: process.Limits) -> None:
    done = await run_python("bytearray(10**9)", limits=replace(roomy, memory=500_000_000))
    assert done.code == 1
    assert done.ending == "exit code 1 (MemoryError)"


async def test_a_file_that_grows_past_its_limit_ends_the_child(
    tmp_path: Path, roomy: process.Limits
) -> None:
    argv = ["dd", "if=/dev/zero", "of=big", "bs=64k", "count=100", "status=none"]
    limits = replace(roomy, file_size=100_000)
    done = await process.run(argv, folder=tmp_path, limits=limits)
    assert done.ending == "killed by SIGXFSZ: a file grew past its limit"
    assert (tmp_path / "big").stat().st_size == 100_000


async def test_used_up_cpu_seconds_end_the_child(run_python: Run, roomy: process.Limits) -> None:
    done = await run_python("while True: pass", limits=replace(roomy, cpu_seconds=1))
    assert done.ending == "killed by SIGXCPU: its CPU seconds are used up"


async def test_both_pipes_may_fill_at_once(run_python: Run) -> None:
    done = await run_python(
        "import os\nfor _ in range(15): os.write(1, b'o' * 65536); os.write(2, b'e' * 400000)"
    )
    assert len(done.stdout) == 15 * 65536
    assert len(done.stderr_tail) == TAIL


async def test_a_flood_on_stdout_ends_the_child(run_python: Run, wait_gone: Any) -> None:
    children: list[process.ChildId] = []
    with pytest.raises(WorkerFailed, match="flooded"):
        await run_python("while True: print('x' * 65536)", on_start=_append_to(children))
    wait_gone(children[0].pid)


async def test_a_flood_on_stderr_ends_the_child(
    run_python: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kasm_recd.process.child.STDERR_LIMIT", 1_000_000)
    with pytest.raises(WorkerFailed, match="flooded"):
        await run_python("import os\nwhile True: os.write(2, b'x' * 65536)")


async def test_who_is_told_of_the_start_can_find_the_child(run_python: Run) -> None:
    seen: list[float] = []

    async def on_start(child: process.ChildId) -> None:
        seen.append(psutil.Process(child.pid).create_time() - child.started)

    await run_python("pass", on_start=on_start)
    assert seen == [0.0]


async def test_lines_come_as_they_are_said_and_claimed_ones_are_not_kept(run_python: Run) -> None:
    lines: list[str] = []

    def claims_progress(line: str) -> bool:
        lines.append(line)
        return line.startswith("progress")

    done = await run_python(
        "import os; os.write(2, b'progress 0.1\\rprogress 0.2\\nOh!\\n\\npro'); "
        "os.write(2, b'gress 0.3\\n\\xffend')",
        on_stderr_line=claims_progress,
    )
    assert lines == ["progress 0.1", "progress 0.2", "Oh!", "progress 0.3"]
    assert done.stderr_tail == "Oh!\n\N{REPLACEMENT CHARACTER}end"


@given(
    said=st.text("abc\r\n", max_size=60).map(str.encode),
    cuts=st.lists(st.integers(0, 60), max_size=5).map(sorted),
)
def test_any_pieces_give_the_same_lines(said: bytes, cuts: list[int]) -> None:
    whole, pieces = [[], []]  # type: list[str], list[str]
    Tail(whole.append).extend(said)
    tail = Tail(pieces.append)
    for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True):
        tail.extend(said[start:end])
    assert pieces == whole


async def test_a_failure_that_is_checked_says_how_it_ended(run_python: Run) -> None:
    with pytest.raises(WorkerFailed, match=r"^(python|worker).* failed: killed by SIGSEGV$"):
        await run_python("import os; os.kill(os.getpid(), 11)", check=True)


async def test_a_failure_for_want_of_room_is_told_apart(run_python: Run) -> None:
    with pytest.raises(DiskFull, match="No space left on device"):
        await run_python(
            "import errno, os; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))", check=True
        )


async def test_a_program_that_is_not_there_is_an_exit_code(
    tmp_path: Path, roomy: process.Limits
) -> None:
    done = await process.run(["/no/such/program"], folder=tmp_path, limits=roomy)
    assert done.code == 127
    assert "/no/such/program" in done.ending


async def test_a_folder_that_is_not_there_is_a_failed_worker(
    run_python: Run, tmp_path: Path
) -> None:
    with pytest.raises(WorkerFailed, match="could not be started"):
        await run_python("pass", folder=tmp_path / "missing")


async def test_no_descriptor_to_watch_the_child_with_is_a_failed_worker(
    run_python: Run, monkeypatch: pytest.MonkeyPatch, new_children: Children
) -> None:
    def none_left(_pid: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("os.pidfd_open", none_left)
    with pytest.raises(WorkerFailed, match="could not be watched"):
        await run_python("import time; time.sleep(60)")
    assert new_children() == []


async def test_a_missing_wrapper_names_its_package(
    run_python: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.wrapper.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EncoderMissing, match="setpriv is not on PATH") as caught:
        await run_python("pass")
    assert caught.value.hint == "apt-get install util-linux"


def test_workers_run_isolated_and_are_called_by_their_name() -> None:
    argv = process.worker_argv("cut", "--start", "0")
    assert argv == [sys.executable, "-I", "-m", "kasm_recd.workers.cut", "--start", "0"]
    assert process.name_of(argv) == "worker cut"
    assert process.name_of(["/usr/bin/ffmpeg", "-i"]) == "ffmpeg"


async def test_many_children_at_once_each_get_their_own_answer(run_python: Run) -> None:
    done = await asyncio.gather(*(run_python(f"print({n}); exit({n})") for n in range(8)))
    assert [(d.code, int(d.stdout)) for d in done] == [(n, n) for n in range(8)]


def test_nothing_is_left_open_that_python_would_warn_of(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib\n"
        "from kasm_recd import process\n"
        "limits = process.Limits(10**9, 10**6, 5, 0.2)\n"
        "async def go():\n"
        "    for argv in (['true'], ['sleep', '60']):\n"
        "        try: await process.run(argv, folder=pathlib.Path.cwd(), limits=limits)\n"
        "        except Exception: pass\n"
        "asyncio.run(go())\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _append_to(children: list[process.ChildId]) -> Callable[[process.ChildId], Any]:
    async def on_start(child: process.ChildId) -> None:
        children.append(child)

    return on_start
