"""A program that hangs is ended in time, with all that it started."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from tests import bounded

if TYPE_CHECKING:
    from pathlib import Path

#: Starts a sleeper in a session of its own, says its pid, and hangs or ends.
STARTER = """
import subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)", "MARK"], start_new_session=True
)
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "ends and leaves a child"])
def test_nothing_outlives_the_call(hangs: bool, tmp_path: Path) -> None:
    said, mark = tmp_path / "pid", f"mark-{tmp_path}"
    argv = [sys.executable, "-c", STARTER.replace("MARK", mark), str(said)]
    if hangs:
        with pytest.raises(subprocess.TimeoutExpired):
            bounded.run([*argv, "600"], said="", deadline_s=6, mark=mark)
    else:
        assert bounded.run([*argv, "0"], said="", deadline_s=60, mark=mark).returncode == 0
    assert not psutil.pid_exists(int(said.read_text()))
