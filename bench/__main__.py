"""``python -m bench [--json FILE] [NAME ...]``: runs the named benchmarks, or all of them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import admission, capacity, clips, live, roll

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHMARKS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "live": lambda _options: live.run(),
    "clips": clips.run,
    "capacity": capacity.run,
    "roll": lambda _options: roll.run(),
    "admission": lambda _options: admission.run(),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for a script")
    of_clips = parser.add_argument_group("clips", "to run a part of the table")
    of_clips.add_argument("--only", action="append", metavar="NAME", default=[])
    of_clips.add_argument("--size", action="append", metavar="WxH/N", type=clips.size)
    help_ = "another recording, beside the bundled ones"
    of_clips.add_argument(
        "--also", action="append", metavar="FILE", type=Path, default=[], help=help_
    )
    of_capacity = parser.add_argument_group("capacity")
    of_capacity.add_argument("--video", type=Path, metavar="FILE", help="a recording of a video")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(
            f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    try:
        clips.recordings(arguments.also, arguments.only)
    except KeyError as error:
        parser.error(f"no recording {error}; there are {', '.join(clips.names())}")
    figures = {name: BENCHMARKS[name](arguments) for name in arguments.names or BENCHMARKS}
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":  # and not where a process is spawned
    main()
