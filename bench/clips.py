"""Ours against guacenc + ffmpeg, where guacenc is on PATH: CPU, time, memory, bytes, likeness."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench import likeness
from bench.contenders import BITRATE, mended, ours, ours_forked, taken_in, theirs
from bench.costs import Cost, weigh
from bench.recordings import Length, bundled, repeated, seconds_of, unpacked
from kasm_recd.encoder import Picture

if TYPE_CHECKING:
    from argparse import Namespace

    from tests.ssim import Ssim

SIZES: Final = ("1280x720/25", "720x480/2")
IDLE: Final = "ssh-idle.guac"
LONG_IDLE: Final = (300, 600, 3600)  # seconds
HEAD: Final = (
    f"{'recording':<24}{'picture':<12}{'by':<8}{'CPU s':>7}{'cold':>7}{'wall s':>8}{'MB RSS':>8}"
    f"{'kB':>8}{'m4v kB':>8}{'SSIM Y':>8}{'All':>8}{'s/CPU s':>9}"
)


def names() -> list[str]:
    """All recordings; idle ones made longer are called after their seconds."""
    return [*(name for name in bundled() if name != IDLE), *(f"{IDLE}:{s}" for s in LONG_IDLE)]


def size(text: str) -> str:
    """``WxH/N`` as it is; a ValueError where it is none."""
    _picture(text)
    return text


def _picture(shown: str) -> Picture:
    sides, framerate = shown.split("/")
    width, height = sides.split("x")
    return Picture(int(width), int(height), int(framerate), BITRATE)


def recordings(also: list[Path], only: list[str]) -> dict[str, str | Path]:
    """What is compared: the bundled recordings by name, others by path; of these ``only`` some.

    Raises KeyError where there is no such name.
    """
    known: dict[str, str | Path] = {name: name for name in names()}
    known |= {path.name: path for path in also}
    return {name: known[name] for name in only or known}


def run(options: Namespace) -> dict[str, Any]:
    """Prints one table and gives its rows by ``recording WxH/framerate``."""
    versus = shutil.which("guacenc") is not None
    if not versus:
        print("clips: guacenc is not on PATH, so there is nothing to compare with")
    print(HEAD)
    rows: dict[str, Any] = {}
    for name, recording in recordings(options.also, options.only).items():
        for shown in options.size or SIZES:
            with tempfile.TemporaryDirectory(prefix="kasm-recd-bench-") as folder:
                made = _made(recording, Path(folder))
                row = _compare(made, shown, Path(folder), versus=versus)
            rows[f"{name} {shown}"] = row
    return rows


def _made(recording: str | Path, folder: Path) -> Path:
    """The recording itself, by a bundled one's name made as long as the name says."""
    if isinstance(recording, Path):
        return unpacked(recording, folder)
    known, _, wanted_s = recording.partition(":")
    whole = unpacked(known, folder)
    if not wanted_s:
        return whole
    return repeated(whole, folder / recording, Length(seconds=float(wanted_s)))


def _compare(recording: Path, shown: str, folder: Path, *, versus: bool) -> dict[str, Any]:
    name, picture = recording.name, _picture(shown)
    like = partial(likeness.of_clip, recording=name.partition(":")[0])
    lasts_s = seconds_of(recording)
    body, contents = taken_in(recording, folder / "taken")
    clip, cost = weigh(ours, body, folder / "ours", contents, picture)
    unpointed = ours(body, folder / "unpointed", contents, picture, pointer=False)
    _, forked_s = ours_forked(body, folder / "forked", contents, picture)
    cold_s, cost = cost.cpu_s, replace(cost, cpu_s=forked_s)
    rows = {"ours": _row(cost, lasts_s, clip, like(unpointed)) | {"cold_cpu_s": cold_s}}
    _print(name, shown, "ours", rows["ours"])
    if versus:
        input_ = mended(body, folder)
        (video, clip), cost = weigh(theirs, input_, picture)
        rows["guacenc"] = _row(cost, lasts_s, clip, like(clip))
        rows["guacenc"]["m4v_bytes"] = video.stat().st_size
        _print(name, shown, "guacenc", rows["guacenc"])
        less, smaller = (rows["guacenc"][key] / rows["ours"][key] for key in ("cpu_s", "bytes"))
        cold = rows["guacenc"]["cpu_s"] / cold_s
        print(
            f"{'':<36}ours: {less:.1f} times less CPU (started cold {cold:.1f}), "
            f"{smaller:.1f} times fewer bytes"
        )
    return rows


def _row(cost: Cost, lasts_s: float, clip: Path, ssim: Ssim | None) -> dict[str, Any]:
    return {
        "cpu_s": cost.cpu_s,
        "wall_s": cost.wall_s,
        "peak_bytes": cost.peak_bytes,
        "bytes": clip.stat().st_size,
        "ssim_luma": ssim and ssim.luma,
        "ssim_all": ssim and ssim.all,
        "recorded_s": lasts_s,
        "recorded_s_per_cpu_s": lasts_s / cost.cpu_s,
    }


def _print(name: str, size: str, by: str, row: dict[str, Any]) -> None:
    likeness_shown = "".join(
        f"{row[key]:>8.4f}" if row[key] is not None else f"{'-':>8}"
        for key in ("ssim_luma", "ssim_all")
    )
    cold = f"{row['cold_cpu_s']:>7.2f}" if "cold_cpu_s" in row else f"{'-':>7}"
    between = f"{row['m4v_bytes'] / 1000:>8.0f}" if "m4v_bytes" in row else f"{'-':>8}"
    print(
        f"{name:<24}{size:<12}{by:<8}{row['cpu_s']:>7.2f}{cold}{row['wall_s']:>8.2f}"
        f"{row['peak_bytes'] / 1e6:>8.0f}{row['bytes'] / 1000:>8.0f}{between}{likeness_shown}"
        f"{row['recorded_s_per_cpu_s']:>9.1f}",
        flush=True,
    )
