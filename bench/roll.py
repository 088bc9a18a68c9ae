"""A roll's steps: framing, the cut against ``cp`` and fsync, the preamble against guacenc."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.recordings import Length, repeated, unpacked
from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, read
from kasm_recd.process import worker_argv

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the large recording repeats: a desktop's images, as they fill segments soonest.
REPEATED: Final = "v155-vnc.guac"
REPLAYED: Final = ("ssh-work.guac", "rdp-desktop.guac", "v155-vnc.guac")
LARGE: Final = 150_000_000
#: What stands for a segment of that size in a replay: the start of Python weighs little by then.
LONG: Final = 36_000_000
MB: Final = 1_000_000
PIECE: Final = 256 * 1024
ROUNDS: Final = 9


def run() -> dict[str, Any]:
    """Prints a line for each figure and gives them all by name."""
    with tempfile.TemporaryDirectory(prefix="kasm-recd-bench-", dir=".") as folder:
        made = Path(folder)
        large = repeated(unpacked(REPEATED, made), made / "large.guac", Length(size=LARGE))
        figures: dict[str, Any] = {"framing": _framing(large), "cut": _cut(large)}
        large.unlink()
        figures["replay"] = {name: _replays(unpacked(name, made)) for name in REPLAYED}
    return figures


def _framing(recording: Path) -> dict[str, float]:
    """The reader alone, on one core."""
    began, count = time.process_time(), 0
    for _ in read(_pieces(recording)):
        count += 1
    cpu_s = time.process_time() - began
    rate = recording.stat().st_size / MB / cpu_s
    print(f"framing: {rate:.0f} MB/s on a core ({count} instructions; 150 is wanted)")
    return {"mb_per_s": rate, "instructions": count}


def _cut(recording: Path) -> dict[str, float]:
    """The cut, and a copy to compare it with, by turns; each by its best time."""
    copies, cuts, peak, cpu_s = [], [], 0, 0.0
    body = recording.with_name("body.guac")
    for _ in range(ROUNDS):
        began = time.monotonic()
        subprocess.run(["cp", "--reflink=never", recording, body], check=True)
        with body.open("rb+") as file:
            os.fsync(file.fileno())
        copies.append(time.monotonic() - began)
        body.unlink()
        limit = str(recording.stat().st_size)
        worker = _Worker(
            *("cut", "--glance", "--input", recording, "--output", body),
            *("--start", "0", "--limit", limit),
        )
        cuts.append(worker.wall_s)
        peak, cpu_s = max(peak, worker.peak_bytes), worker.cpu_s
        whole = worker.answer["length"] > 0.99 * recording.stat().st_size
        if worker.answer["contents"]["surveyed"] or not whole:
            raise RuntimeError(f"not what is to be measured: {worker.answer}")
        body.unlink()
    ratio = min(cuts) / min(copies)
    print(
        f"cut: {min(cuts):.2f} s of {recording.stat().st_size / MB:.0f} MB, cp + fsync "
        f"{min(copies):.2f} s: {ratio:.1f} times (2 is wanted); {peak / MB:.0f} MB at most"
    )
    return {
        "cut_s": min(cuts), "copy_s": min(copies), "ratio": ratio,
        "cpu_s": cpu_s, "peak_bytes": peak,
    }  # fmt: skip


def _replays(recording: Path) -> dict[str, Any]:
    """As it is, and as long as segments are in practice."""
    long = repeated(recording, recording.with_stem(f"{recording.stem}-long"), Length(size=LONG))
    figures = {"short": _replay(recording), "long": _replay(long)}
    long.unlink()
    return figures


def _replay(recording: Path) -> dict[str, float]:
    """The preamble after a recording, and after that preamble and the recording again."""
    first, chained = recording.with_suffix(".1"), recording.with_suffix(".2")
    worker = _Worker("replay", "--input", recording, "--output", first)
    _Worker("replay", "--preamble", first, "--input", recording, "--output", chained)
    size = recording.stat().st_size / MB
    _must_play(recording)
    row: dict[str, float] = {
        "cpu_s_per_mb": worker.cpu_s / size,
        "peak_bytes": worker.peak_bytes,
        "preamble_bytes": first.stat().st_size,
        "chained_bytes": chained.stat().st_size,
    }
    told = (
        f"replay: {recording.name:<22}{size:>5.1f} MB {row['cpu_s_per_mb']:.3f} CPU s/MB, preamble "
        f"{row['preamble_bytes'] / 1000:.0f} kB, chained {row['chained_bytes'] / 1000:.0f} kB, "
        f"{worker.peak_bytes / MB:.0f} MB at most"
    )
    if guacenc := shutil.which("guacenc"):
        theirs = _cpu_of([guacenc, "-f", str(recording)])
        row |= {"guacenc_cpu_s_per_mb": theirs / size, "ratio": worker.cpu_s / theirs}
        told += f"; {row['ratio']:.2f} of guacenc's {theirs / size:.3f} (0.2 is wanted)"
    print(told)
    return row


def _must_play(recording: Path) -> None:
    """Raises RuntimeError where not all of it can be drawn: then less than all was measured."""
    display = Display()
    for found in read(_pieces(recording)):
        if isinstance(found, Instruction):
            display.apply(found)
        if not isinstance(found, Instruction) or display.damage:
            raise RuntimeError(f"{recording} does not play whole: {found}")


class _Worker:
    """One run of a worker: its time, its CPU and its memory."""

    def __init__(self, name: str, *args: str | Path) -> None:
        began, before = time.monotonic(), _children_cpu()
        with tempfile.TemporaryFile() as out:
            child = subprocess.Popen(worker_argv(name, *map(str, args)), stdout=out)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            self.answer: dict[str, Any] = json.loads(out.read() or b"null")
        if child.returncode:
            raise RuntimeError(f"{name} ended with {child.returncode}")
        self.wall_s = time.monotonic() - began
        self.cpu_s = _children_cpu() - before
        self.peak_bytes = used.ru_maxrss * 1024


def _cpu_of(argv: list[str]) -> float:
    before = _children_cpu()
    subprocess.run(argv, check=True, capture_output=True)
    return _children_cpu() - before


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
