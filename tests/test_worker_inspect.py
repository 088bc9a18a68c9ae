"""The inspecting worker: what it tells people of a recording."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.guacamole.instructions import encode
from kasm_recd.workers.inspect import MAX_SIZES, inspect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_recording_is_told_in_full(
    recordings: Callable[[str], Path], reference_index: dict[str, Any]
) -> None:
    path, facts = recordings("rdp-desktop.guac"), reference_index["rdp-desktop.guac"]
    argv = [sys.executable, "-I", "-m", "kasm_recd.workers.inspect", "--input", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "duration_ms": facts["duration_ms"],
        "first_sync": facts["first_sync"],
        "last_sync": facts["last_sync"],
        "syncs": facts["sync_count"],
        "longest_gap_ms": 5_029,
        "display_sizes": [[1280, 720], [1024, 700], [1440, 900]],
        "opcodes": facts["opcodes"],
        "bytes": facts["bytes"],
        "damage": [],
        "contains_keys": True,
        "contains_audio": True,
        "doubtful": 0,
    }


@pytest.mark.parametrize("content", [b"", b"\0" * 10_000, b"no recording at all"])
def test_what_is_no_recording_is_told_as_well(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found = inspect(path)
    assert (found["duration_ms"], found["first_sync"], found["opcodes"]) == (0, None, {})
    assert (found["bytes"], len(found["damage"])) == (len(content), bool(content))


def test_a_hostile_recording_makes_no_endless_answer(tmp_path: Path) -> None:
    path = tmp_path / "file"
    parts = [encode(f"opcode{n}") + encode("size", 0, n, n) for n in range(5_000)]
    path.write_bytes(b"".join(parts))
    found = inspect(path)
    assert found["opcodes"] == {"size": 5_000, "unknown": 5_000}
    assert len(found["display_sizes"]) == MAX_SIZES


def test_a_missing_file_is_one_line_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "none"
    argv = [sys.executable, "-I", "-m", "kasm_recd.workers.inspect", "--input", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("inspect: [Errno 2] No such file")
    assert len(done.stderr.splitlines()) == 1
