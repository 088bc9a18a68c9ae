"""Harmed recordings end in a clip, a clean refusal or as nothing to see (more: ``make fuzz``)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests import mutations

if TYPE_CHECKING:
    from pathlib import Path

_BREAK = """
from tests import mutations
def fails(data, folder): raise MemoryError
def leaves(data, folder): return 139
def dies(data, folder): import os; os.kill(os.getpid(), 11)
def misreads(data, folder): return print('{"damage": [], "contents": {}}') or mutations.CLIP
def good(data, folder): return mutations.CLIP
for each in (fails, leaves, dies, misreads, good):
    mutations.encode = each
    print(mutations.outcome(b"").outcome)
"""


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    """In a process group of its own, which is ended with it."""
    child = subprocess.Popen(
        [sys.executable, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = child.communicate(timeout=110)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return subprocess.CompletedProcess(argv, child.returncode, out, err)


def test_harmed_recordings_never_break_the_encoder(tmp_path: Path) -> None:
    done = _run(
        *("-m", "tests.mutations", "--count", "100", "--seconds", "80"),
        *("--state", str(tmp_path / "state"), "--keep", str(tmp_path / "kept")),
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr} {list(tmp_path.rglob('*.guac'))}"
    assert "clip" in done.stdout
    assert int((tmp_path / "state").read_text()) > 0


def test_what_breaks_is_noticed() -> None:
    said = _run("-c", _BREAK).stdout.split()
    assert [int(code) for code in said] == [mutations.BROKEN] * 4 + [mutations.CLIP]


def test_a_mutant_is_made_from_its_number_alone() -> None:
    whole = mutations.sources()
    made = [mutations.mutant(number, whole) for number in range(12)]
    assert made == [mutations.mutant(number, whole) for number in range(12)]
    assert not set(made) & set(whole)
