"""The comparison of clips, end to end on the shortest recording; guacenc's side needs guacenc."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from kasm_recd.workers.bounds import GLANCE
from tests import bounded

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

ROOT: Final = Path(__file__).parent.parent
#: What our own side of it runs.
PROGRAMS: Final = ("ffmpeg", "ffprobe", "setpriv", "prlimit", "nice")
#: What one kind of session costs, of a recording and a size in bytes; ``capacity`` takes hours.
COSTS: Final = """
import json, sys
from pathlib import Path
from bench import capacity
from bench.recordings import Length
print(json.dumps(capacity.costs(Path(sys.argv[1]), Length(size=int(sys.argv[2])))))
"""
FIGURES: Final = {
    *("cpu_s", "wall_s", "peak_bytes", "bytes", "ssim_luma", "ssim_all"),
    *("recorded_s", "recorded_s_per_cpu_s", "cold_cpu_s"),
}


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs it with a PATH that has no guacenc."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found, name
        (programs / name).symlink_to(found)

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        told = ("env", "-C", str(ROOT), f"PATH={programs}", sys.executable, "-m", "bench", *argv)
        return bounded.run(told, said="", deadline_s=110, mark=str(tmp_path))

    return run


def test_clips_are_weighed_without_guacenc_too(
    bench: Callable[..., subprocess.CompletedProcess[str]],
    recordings: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    another = tmp_path / "another.guac"
    shutil.copyfile(recordings("vnc-idle.guac"), another)
    done = bench(
        *("clips", "--only", "vnc-idle.guac", "--only", another.name, "--also", str(another)),
        *("--size", "720x480/2", "--json", str(tmp_path / "figures.json")),
    )
    assert done.returncode == 0, done.stderr
    assert "guacenc is not on PATH" in done.stdout
    rows = json.loads((tmp_path / "figures.json").read_text())["clips"]
    assert list(rows) == ["vnc-idle.guac 720x480/2", "another.guac 720x480/2"]
    for row in rows.values():
        assert set(row) == {"ours"}
        assert set(row["ours"]) == FIGURES
        assert row["ours"]["bytes"] > 0
        assert row["ours"]["recorded_s"] == pytest.approx(0.044)
    known, unknown = (row["ours"] for row in rows.values())
    assert known["ssim_luma"] > 0.99
    assert unknown["ssim_luma"] is unknown["ssim_all"] is None


def test_a_segment_of_a_session_is_weighed_stage_by_stage_with_forked_workers(
    recordings: Callable[[str], Path], tmp_path: Path
) -> None:
    done = bounded.run(
        (
            *("env", "-C", str(ROOT), sys.executable, "-c", COSTS),
            *(str(recordings("v155-vnc.guac")), str(GLANCE + 1)),
        ),
        said="",
        deadline_s=110,
        mark=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    *_, row = map(json.loads, done.stdout.splitlines()[1:])
    assert set(row) == {"cut", "encode", "upload", "all", "recorded_s", "bytes"}
    assert row["bytes"] > GLANCE, "or it would not be surveyed on the way"
    assert all(value > 0 for value in row.values())
    assert row["all"] == pytest.approx(row["cut"] + row["encode"] + row["upload"])


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--only", "no-such.guac"), "no recording 'no-such.guac'; there are abrupt-midins.guac,"),
        (("--size", "720x480"), "invalid size value: '720x480'"),
    ],
)
def test_what_is_not_there_is_refused_in_words(
    argv: tuple[str, ...], told: str, bench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = bench("clips", *argv)
    assert done.returncode == 2
    assert told in done.stderr
