"""Workers in their cage, held by the real kernel: what they try fails, what they need works."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import process
from kasm_recd.cage import landlock, policy, seccomp
from kasm_recd.errors import SettingsInvalid, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRUDER = Path(__file__).parent / "standins" / "intruder.py"
#: Stands in for a daemon: it hides its memory as the real one does, and leads a group of its own.
HIDDEN = (
    "from kasm_recd.cage import policy; policy.hide_memory(); print('hidden', flush=True); input()"
)

pytestmark = pytest.mark.skipif(
    bool(policy.missing()), reason=f"this kernel lacks {' and '.join(policy.missing())}"
)


@pytest.fixture
def daemon() -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", HIDDEN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"hidden\n"
        yield child.pid
        child.kill()


@pytest.fixture
def surroundings(tmp_path: Path, daemon: int) -> Iterator[dict[str, Any]]:
    """What there is to break into; each thing can be done by who is in no cage."""
    secret = tmp_path / "credentials" / "secret"
    elsewhere = tmp_path / "elsewhere"
    for path in (secret, elsewhere / "file"):
        path.parent.mkdir()
        path.write_text("hunter2")
    program = elsewhere / "program"
    shutil.copy("/bin/true", program)
    body = tmp_path / "body.guac"
    body.write_text("4.sync,1.1;")
    abstract = f"\0kasm-recd-test-{os.getpid()}"
    with ExitStack() as stack:
        listeners = {}
        for name, family, address in (
            ("port", socket.AF_INET, ("127.0.0.1", 0)),
            ("socket", socket.AF_UNIX, str(tmp_path / "socket")),
            ("abstract", socket.AF_UNIX, abstract),
        ):
            listener = stack.enter_context(socket.socket(family))
            listener.bind(address)
            listener.listen()
            listeners[name] = listener
        yield {
            "daemon": daemon,
            "port": listeners["port"].getsockname()[1],
            "socket": str(tmp_path / "socket"),
            "abstract": abstract,
            "secret": str(secret),
            "elsewhere": str(elsewhere),
            "program": str(program),
            "input": str(body),
        }


async def intrude(
    surroundings: dict[str, Any], folder: Path, limits: process.Limits
) -> dict[str, str]:
    folder.mkdir()
    orders = folder / "orders.json"
    orders.write_text(json.dumps(surroundings))
    # Its body is named on the command line, as a worker's is.
    argv = [sys.executable, "-I", str(INTRUDER), str(orders), surroundings["input"]]
    done = await process.run(argv, folder=folder, limits=limits, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


async def test_a_worker_that_tries_everything_gets_nowhere(
    surroundings: dict[str, Any], tmp_path: Path, roomy: process.Limits
) -> None:
    found = await intrude(surroundings, tmp_path / "own", replace(roomy, cage="require"))
    assert len(found) >= 30
    refused = {"EPERM", "EACCES", "EXDEV"}  # EXDEV: Landlock's word on a link to elsewhere
    assert {name: came for name, came in found.items() if came not in refused} == {}
    assert (tmp_path / "own" / "copy").read_text() == Path(surroundings["input"]).read_text()
    elsewhere = Path(surroundings["elsewhere"])
    assert sorted(path.name for path in elsewhere.iterdir()) == ["file", "program"]
    assert (elsewhere / "file").read_text() == "hunter2"


@pytest.mark.parametrize("lacking", ["landlock", "seccomp", "scopes"])
async def test_each_half_of_the_cage_holds_alone_what_it_can(
    surroundings: dict[str, Any],
    tmp_path: Path,
    roomy: process.Limits,
    lacking: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On older kernels, played by a confine that does not see what this one has."""
    blind = {
        "landlock": "landlock.version = lambda: 0",
        "seccomp": "seccomp.supported = lambda machine=None: False",
        "scopes": "v = landlock.version; landlock.version = lambda: min(5, v())",
    }[lacking]
    start = policy._START.replace(
        "main(sys.argv[2:])",
        f"from kasm_recd.cage import landlock, seccomp; {blind}; main(sys.argv[2:])",
    )
    monkeypatch.setattr(policy, "_START", start)
    found = await intrude(surroundings, tmp_path / "own", roomy)
    done = {name for name, came in found.items() if came == "done"}
    of_files = {"read the secret", "list the credentials", "write elsewhere"}
    network = {"connect by TCP", "send by UDP", "connect to the admission socket"}
    daemon = {"trace it", "read its memory by a call", "signal it"}
    if lacking == "landlock":
        assert of_files <= done
        assert not done & (network | daemon)
    elif lacking == "seccomp":
        assert not done & (of_files | daemon | {"connect by TCP", "read its memory"})
        assert "send by UDP" in done
    else:
        assert done == set()


async def test_a_cage_that_cannot_be_had_is_refused_where_it_is_required(
    tmp_path: Path, roomy: process.Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = policy._START.replace(
        "main(sys.argv[2:])",
        "from kasm_recd.cage import landlock; landlock.version = lambda: 0; main(sys.argv[2:])",
    )
    monkeypatch.setattr(policy, "_START", start)
    limits = replace(roomy, cage="require")
    with pytest.raises(WorkerFailed, match="the kernel has no Landlock"):
        await process.run(["/bin/true"], folder=tmp_path, limits=limits, check=True)


def test_settings_that_require_a_cage_are_invalid_without_landlock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    with pytest.raises(SettingsInvalid, match=r"worker_cage = require, but .* Landlock"):
        policy.demand("require")
    assert len(policy.demand("auto")) == 1
    assert policy.demand("off") == []


async def test_a_program_in_a_prefix_of_its_own_runs_with_its_libraries(
    tmp_path: Path, roomy: process.Limits
) -> None:
    """As ffmpeg in /opt/x/bin with its libraries in /opt/x/lib."""
    ffprobe = shutil.which("ffprobe")
    assert ffprobe is not None, "make installs ffmpeg"
    prefix = tmp_path / "opt" / "x"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib").mkdir()
    (prefix / "secret").write_text("hunter2")
    program = prefix / "bin" / "ffprobe"
    program.write_text(f'#!/bin/sh\ncat "$0" >/dev/null\n. {prefix}/lib/more\n')
    program.chmod(0o755)
    (prefix / "lib" / "more").write_text(
        f"cat {prefix}/secret 2>/dev/null && exit 9\nexec {Path(ffprobe).resolve()} -version\n"
    )
    linked = tmp_path / "bin" / "ffprobe"  # as /usr/local/bin often leads to /opt
    linked.parent.mkdir()
    linked.symlink_to(program)
    folder = tmp_path / "own"
    folder.mkdir()
    for path in (program, linked):
        done = await process.run([str(path)], folder=folder, limits=roomy, check=True)
        assert done.stdout.startswith(b"ffprobe version")


def test_the_filter_for_the_other_architecture_is_as_whole() -> None:
    """Its numbers cannot be run here, but every jump must land inside."""
    for machine in ("x86_64", "aarch64"):
        for alone in (None, 4711):
            steps = seccomp.program(machine, only_signals_to=alone)
            count = len(steps) // 8
            for index in range(count):
                code, true, false = steps[index * 8], steps[index * 8 + 2], steps[index * 8 + 3]
                assert code in {0x20, 0x15, 0x35, 0x45, 0x06}
                assert index + 1 + max(true, false) < count or code == 0x06
            assert count < 4096


def test_this_machines_numbers_are_the_kernels() -> None:
    header = Path(f"/usr/include/{os.uname().machine}-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    numbers = {
        name: int(number)
        for name, number in (
            line.removeprefix("#define __NR_").split()
            for line in header.read_text().splitlines()
            if line.startswith("#define __NR_")
        )
    }
    column = seccomp._MACHINES[os.uname().machine][1]
    table: dict[str, tuple[Any, ...]] = {
        **seccomp._REFUSED,
        **seccomp._SELF_ONLY,
        **seccomp._SIGNALS,
        "clone": seccomp._CLONE,
        "clone3": seccomp._CLONE3,
    }
    # Calls newer than the headers are not in them.
    assert {
        name: row[column]
        for name, row in table.items()
        if name in numbers and row[column] != numbers[name]
    } == {}
