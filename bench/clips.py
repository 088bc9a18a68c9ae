"""Ours against guacenc + ffmpeg, where guacenc is on PATH: CPU, time and bytes."""

from __future__ import annotations

import asyncio
import lzma
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasm_recd.encoder import Job, Picture
from kasm_recd.file_commands import take_in
from kasm_recd.recorder import build_encoders, worker_limits

if TYPE_CHECKING:
    from kasm_recd.encoder import Encoder

NAMES = ("ssh-work.guac", "ssh-idle.guac", "rdp-desktop.guac", "v155-vnc.guac")
DATA = Path("tests/data/recordings")
PICTURES = (Picture(1280, 720, 25, 8_000_000), Picture(720, 480, 2, 8_000_000))


def run() -> dict[str, Any]:
    """Prints one table and gives its rows by ``recording WxH/framerate``."""
    encoders = build_encoders(worker_limits())
    if shutil.which("guacenc") is None:
        print("clips: guacenc is not on PATH, so there is nothing to compare with")
        del encoders["guacenc"]
    print(f"{'recording':<18}{'picture':<14}{'encoder':<9}{'CPU s':>7}{'wall s':>8}{'kB':>8}")
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kasm-recd-bench-") as folder:
        for name in NAMES:
            body = Path(folder) / name
            body.write_bytes(lzma.decompress((DATA / f"{name}.xz").read_bytes()))
            for picture in PICTURES:
                rows |= _compare(body, picture, encoders)
    return rows


def _compare(body: Path, picture: Picture, encoders: dict[str, Encoder]) -> dict[str, Any]:
    shown = f"{picture.width}x{picture.height}/{picture.framerate}"
    rows = {name: _encode(body, picture, encoder) for name, encoder in encoders.items()}
    for name, row in rows.items():
        figures = f"{row['cpu_s']:>7.2f}{row['wall_s']:>8.2f}{row['bytes'] / 1000:>8.0f}"
        print(f"{body.name:<18}{shown:<14}{name:<9}{figures}")
    if len(rows) > 1:
        less = rows["guacenc"]["cpu_s"] / rows["native"]["cpu_s"]
        smaller = rows["guacenc"]["bytes"] / rows["native"]["bytes"]
        print(f"{'':<32}native: {less:.1f} times less CPU, {smaller:.1f} times fewer bytes")
    return {f"{body.name} {shown}": rows}


def _encode(recording: Path, picture: Picture, encoder: Encoder) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="kasm-recd-bench-") as folder:
        copy, contents = asyncio.run(take_in(recording, Path(folder)))
        attempt = Path(folder) / "attempt"
        attempt.mkdir()
        job = Job(copy, attempt, contents, contents.last_sync or 0, picture)
        before, began = _children_cpu(), time.monotonic()
        clip = asyncio.run(encoder.encode(job))
        return {
            "cpu_s": _children_cpu() - before,
            "wall_s": time.monotonic() - began,
            "bytes": clip.path.stat().st_size,
        }


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
