"""How many concurrent sessions of a usual mix one core keeps up with, from measured costs.

Each kind of session is cut, encoded (the next preamble and the survey out of the same pass, the
clip read back) and uploaded, by forked workers as in the daemon; the CPU time of all that, by the
recorded second, is what a session needs of a core while it lasts. Nothing else is assumed than the
mix.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from bench import stages
from bench.costs import weigh, weigh_forked
from bench.recordings import Length, repeated, seconds_of, unpacked

if TYPE_CHECKING:
    from argparse import Namespace

#: Shares of the sessions.
MIX: Final = {"idle": 0.50, "ssh": 0.30, "desktop": 0.15, "video": 0.05}
#: An idle session's segment is an hour; the others are cut by size, at 150 MB where 60 are here.
HOUR: Final = Length(seconds=3600)
SEGMENT: Final = Length(size=60_000_000)
IDLE: Final = "ssh-idle.guac"
SSH: Final = "ssh-work.guac"
DESKTOPS: Final = ("rdp-desktop.guac", "v155-vnc.guac")
#: Of a core for each session: 5.7 % for 1,000, the worse figure of ``live``.
WATCHING: Final = 0.000057
WANTED: Final = 100


def run(options: Namespace) -> dict[str, Any]:
    """Prints what each stage costs and the arithmetic, and gives both."""
    rows = {IDLE: costs(IDLE, HOUR)}
    rows |= {name: costs(name, SEGMENT) for name in (SSH, *DESKTOPS)}
    needs = {
        "idle": rows[IDLE]["all"],
        "ssh": rows[SSH]["all"],
        "desktop": fmean(rows[name]["all"] for name in DESKTOPS),
    }
    if options.video:
        rows[options.video.name] = costs(options.video, SEGMENT)
        needs["video"] = rows[options.video.name]["all"]
    else:
        busiest = max(DESKTOPS, key=lambda name: float(rows[name]["all"]))
        needs["video"] = rows[busiest]["all"]
        print(f"capacity: no --video FILE was given; {busiest}, the busiest here, stands for one")
    need = sum(MIX[kind] * needs[kind] for kind in MIX) + WATCHING
    terms = " + ".join(f"{MIX[kind]:.2f} x {1000 * needs[kind]:.2f} ({kind})" for kind in MIX)
    print(f"capacity: {terms} + {1000 * WATCHING:.2f} (watching) = {1000 * need:.2f} ms of CPU")
    print(
        f"capacity: a second, 1000 / {1000 * need:.2f} = {1 / need:.0f} sessions ({WANTED} wanted)"
    )
    return {"stages": rows, "needs": needs, "core_per_session": need, "sessions": 1 / need}


def costs(recording: str | Path, length: Length) -> dict[str, float]:
    """CPU seconds by the recorded second of each stage, and of ``all``."""
    with tempfile.TemporaryDirectory(prefix="kasm-recd-bench-", dir=".") as made:
        folder = Path(made).absolute()
        short = unpacked(recording, folder)
        long = repeated(short, folder / "long.guac", length)
        lasts_s, body = seconds_of(long), folder / "body.guac"
        size = long.stat().st_size
        answer, cutting_s = weigh_forked(partial(stages.cut, long, size, body), folder)
        long.unlink()
        (encoded := folder / "encoded").mkdir()
        encode = partial(stages.encode, body, answer["contents"], encoded)
        files, encoding_s = weigh_forked(encode, folder)
        _, putting = weigh(stages.upload, files, folder)
        cpu_s = {"cut": cutting_s, "encode": encoding_s, "upload": putting.cpu_s}
    row = {stage: used / lasts_s for stage, used in cpu_s.items()}
    row |= {"all": sum(row.values()), "recorded_s": lasts_s, "bytes": size}
    shown = ", ".join(f"{stage} {used:.2f}" for stage, used in cpu_s.items())
    print(
        f"capacity: {short.name}, {lasts_s:.0f} s, {size / 1e6:.1f} MB: CPU s: {shown}; "
        f"{1000 * row['all']:.2f} ms a recorded second",
        flush=True,
    )
    return row
