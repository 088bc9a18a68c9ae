"""Jobs for encoders, and stand-ins for the programs that they run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.contents import Contents
from kasm_recd.encoder import Job, Picture

if TYPE_CHECKING:
    from collections.abc import Callable

STANDINS = Path(__file__).parent / "standins"
#: Takes the place of the mending worker: the copy is the body.
COPY_ARGV = [sys.executable, "-I", "-c", "import shutil, sys; shutil.copyfile(*sys.argv[2::2])"]


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Job]:
    """``make_job(**fields)``: two seconds from 1,000 to 3,000 on guacd's clock, 160x120 at 10/s.

    ``body`` is a small file outside the attempt's folder.
    """

    def make(**fields: Any) -> Job:
        body, folder = tmp_path / "body.guac", tmp_path / "attempt"
        body.write_bytes(b"4.size,1.0,3.160,3.120;")
        folder.mkdir(mode=0o700)
        given: dict[str, Any] = {
            "body": body,
            "folder": folder,
            "contents": Contents(
                first_sync=1_000, last_sync=3_000, sync_count=9, width=161, height=119, drawn=True
            ),
            "end_timestamp": 3_000,
            "picture": Picture(width=160, height=120, framerate=10, bitrate=4_000_000),
        }
        return Job(**(given | fields))

    return make


@pytest.fixture
def standin_guacenc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``standin_guacenc(mode, seconds=2.0)`` puts a guacenc of that mode first on PATH."""
    folder = tmp_path / "bin"

    def install(mode: str, seconds: float = 2.0) -> None:
        folder.mkdir()
        program = folder / "guacenc"
        program.write_text(
            f'#!/bin/sh\nexec {sys.executable} {STANDINS / "guacenc.py"} {mode} {seconds} "$@"\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return install


@pytest.fixture
def render_argv() -> Callable[[str], list[str]]:
    """``render_argv(mode)``: the command line of a render worker of that mode."""
    return lambda mode: [sys.executable, str(STANDINS / "render.py"), mode]


@pytest.fixture
def copy_argv() -> list[str]:
    """The command line of a mending worker that mends nothing."""
    return COPY_ARGV
