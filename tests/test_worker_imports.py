"""What workers load: all of it before they are forked, none of it that belongs to the daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.process.forking import WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What the daemon has and no worker needs.
DAEMONS = {"aiohttp", "asyncio", "boto3", "psutil", "pydantic", "sqlite3", "structlog"}
DAEMONS |= {f"kasm_recd.{module}" for module in ("segment", "states", "events", "log", "process")}
#: As the fork server: loads the workers, and becomes one of them. Prints what that one loaded.
FORKED = """
import contextlib, importlib, io, json, sys
from kasm_recd.workers import fork_server
names, module, *arguments = sys.argv[1:]
for name in names.split(","):
    importlib.import_module(f"kasm_recd.workers.{name}")
before = set(sys.modules)
with contextlib.redirect_stdout(io.StringIO()):
    sys.argv[1:] = arguments
    assert importlib.import_module(module).main() == 0
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture
def loaded_late(
    tmp_path: Path, recordings: Callable[[str], Path], reference_index: dict[str, Any]
) -> Callable[..., list[str]]:
    """``loaded_late(worker, *options)``: what a forked worker loads while it works."""
    name = "v155-vnc.guac"  # has PNG and WebP

    def run(worker: str, *options: str) -> list[str]:
        paths = ("--input", str(recordings(name)), "--output", str(tmp_path / "output"))
        end = str(reference_index[name]["last_sync"])
        chosen = (option.format(folder=tmp_path, end=end) for option in options)
        module = f"kasm_recd.workers.{worker}"
        command = [sys.executable, "-I", "-c", FORKED, ",".join(WORKERS), module, *paths, *chosen]
        printed = subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL)
        late: list[str] = json.loads(printed)
        return late

    return run


def test_a_forked_render_loads_nothing_more(loaded_late: Callable[..., list[str]]) -> None:
    late = loaded_late(
        *("render", "--thumbnail", "{folder}/thumbnail.jpg", "--seek-aids", "{folder}"),
        *("--following", "{folder}/following.guac", "--width", "720", "--height", "480"),
        *("--framerate", "2", "--bitrate", "8000000", "--end-timestamp", "{end}"),
    )
    assert late == []


def test_a_forked_replay_loads_nothing_more(loaded_late: Callable[..., list[str]]) -> None:
    assert loaded_late("replay") == []


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_loads_nothing_that_belongs_to_the_daemon(worker: str) -> None:
    loaded = subprocess.check_output(
        [
            *(sys.executable, "-I", "-c"),
            f"import kasm_recd.workers.{worker}, sys; print(*sys.modules)",
        ],
        text=True,
    ).split()
    assert DAEMONS & set(loaded) == set()
    if worker in {"cut", "survey"}:
        assert {"av", "numpy", "PIL"} & set(loaded) == set()
