"""The native encoder: a segment's instructions straight to H.264, in one pass.

``python -I -m kasm_recd.workers.render --input BODY [--preamble FILE] --output CLIP.mp4
--thumbnail THUMB.jpg [--seek-aids FOLDER] [--following NEXT] …`` prints one JSON object: frames,
duration_ms, width, height, damage, which names the drawing that could not be done, and probe, which
is what the finished clip turned out to be. A preamble is read before the body, as if the two were
one file. FOLDER gets what a viewer finds its way in the clip by: ``sprites.jpg``, ``sprites.vtt``
and ``activity.json``. NEXT is the next segment's preamble, byte for byte what the replay worker
makes, since the display has gone all the way here too; ``following`` tells of it. With
``--survey-from N`` the survey worker's answer, ``contents`` and ``sha256``, is among what is
printed: all of it is read here anyway. Progress goes to stderr as lines such as ``progress 0.42``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from av.error import FFmpegError

from kasm_recd.errors import Unplayable, WorkerFailed
from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, read
from kasm_recd.workers.codecs import CODECS, DEFAULT_CODEC
from kasm_recd.workers.files import pieces_of
from kasm_recd.workers.following import write_following
from kasm_recd.workers.frames import Clock, Schedule
from kasm_recd.workers.noting import Noting
from kasm_recd.workers.program import answer
from kasm_recd.workers.reading_back import read_back
from kasm_recd.workers.scrolling import scrolls
from kasm_recd.workers.seek_aids import HEARD, SeekAids
from kasm_recd.workers.video import Clip, Coding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kasm_recd.contents import Damage

PROGRESS_INTERVAL_S: Final = 0.2
#: The clock is asked once in so many instructions: asking for each took 4 % of a terminal's clip.
CLOCK_EVERY: Final = 64


def render(options: argparse.Namespace) -> dict[str, Any]:
    """Make the clip and its thumbnail; returns what is printed.

    Raises OSError, WorkerFailed when the video library refuses or gives up, and Unplayable when the
    segment has nothing to show.
    """
    files = [path for path in (options.preamble, options.input) if path]
    width, height = options.width, options.height
    if not (width and height):
        width, height = _own_size(files)
    try:
        clip = Clip(
            options.output,
            width=width + width % 2,
            height=height + height % 2,
            framerate=options.framerate,
            coding=Coding(
                bitrate=options.bitrate,
                codec=options.codec,
                preset=options.preset,
                quality=options.quality,
                threads=options.threads,
                scrolls=partial(scrolls, files),
            ),
        )
        made = _filled(clip, files, options)
        return made | {"probe": read_back(options.output)}
    except FFmpegError as error:
        raise WorkerFailed(f"video of {width}x{height}: {error}") from error


def _filled(clip: Clip, files: Sequence[Path], options: argparse.Namespace) -> dict[str, Any]:
    """Put all frames into ``clip`` and finish it."""
    display, clock = Display(), Clock(options.end_timestamp)
    schedule = Schedule(display, clock, framerate=options.framerate)
    aids = SeekAids(clip, clock, counted_from=_length(files[:-1])) if options.seek_aids else None
    thumbnail = b""
    noting = _noting(options)
    found = noting.read() if noting else _read(files)
    stream = Stream(_instructions(found, _length(files)), aids)
    for moment in schedule.frames(stream):
        if not thumbnail and clip.frames and 2 * moment > clock.end:
            thumbnail = clip.thumbnail()  # of what is seen in the middle
        picture = display.paint(pointer=options.pointer)
        changed = display.take_changed()
        if aids:
            aids.show(picture, changed, moment)
        clip.show(picture, changed, moment)
    if not clip.frames:
        raise Unplayable(f"{options.input} has no sync, so nothing is ever shown")
    options.thumbnail.write_bytes(_telling(thumbnail, clip.thumbnail()))
    if aids:
        aids.write(options.seek_aids)
    clip.close(clock.end)
    told = noting.result if noting else {}
    if options.following:
        schedule.draw_the_rest()
        told["following"] = write_following(display, stream.sync, options.following)
    return {
        "frames": clip.frames,
        "duration_ms": clock.end,
        "width": clip.width,
        "height": clip.height,
        "damage": [asdict(damage) for damage in display.damage],
    } | told


class Stream:
    """Instructions as they pass by, and the arguments of the last ``sync`` among them.

    ``aids`` hear of each one after it was taken, when the clock knows of it.
    """

    def __init__(self, instructions: Iterable[Instruction], aids: SeekAids | None = None) -> None:
        self._instructions = instructions
        self._aids = aids
        self.sync: tuple[bytes, ...] = ()

    def __iter__(self) -> Iterator[Instruction]:
        for instruction in self._instructions:
            yield instruction
            if instruction.opcode == "sync":
                self.sync = instruction.args
            if self._aids and instruction.opcode in HEARD:
                self._aids.hear(instruction)


def _telling(middle: bytes, last: bytes) -> bytes:
    """The thumbnail from the middle, unless the screen was as good as empty then.

    How many bytes a JPEG takes says how much is to be seen in it.
    """
    return last if len(last) > 2 * len(middle) else middle


def _own_size(files: Sequence[Path]) -> tuple[int, int]:
    """The first size that the display takes and that is not 0x0. Raises Unplayable."""
    display = Display()
    for found in _read(files):
        if isinstance(found, Instruction) and found.opcode == "size":
            display.apply(found)
            if all(display.size):
                return display.size
    raise Unplayable(f"{files[-1]} never gives the display a size")


def _noting(options: argparse.Namespace) -> Noting | None:
    """The survey on the way, where one is asked for."""
    if options.survey_from is None:
        return None
    return Noting(options.input, start=options.survey_from, preamble=options.preamble)


def _read(files: Sequence[Path]) -> Iterator[Instruction | Damage]:
    return read(chain.from_iterable(map(pieces_of, files)))


def _instructions(told: Iterable[Instruction | Damage], size: int) -> Iterator[Instruction]:
    """All that could be read of ``size`` bytes; what could not, a survey names."""
    reported = 0.0
    for number, found in enumerate(told):
        if isinstance(found, Instruction):
            yield found
        if number % CLOCK_EVERY:
            continue
        if time.monotonic() - reported >= PROGRESS_INTERVAL_S:
            reported = time.monotonic()
            sys.stderr.write(f"progress {found.end / size:.3f}\n")


def _length(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="render", description="Make a clip of a segment.")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--preamble", type=Path, help="read before the input")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--thumbnail", type=Path, required=True)
    parser.add_argument("--seek-aids", type=Path, help="the folder that sprites and activity go to")
    parser.add_argument("--following", type=Path, help="where the next preamble goes")
    parser.add_argument(
        "--survey-from", type=int, help="where in its recording the input begins: survey it too"
    )
    parser.add_argument("--width", type=int, required=True, help="0: the display's own")
    parser.add_argument("--height", type=int, required=True, help="0: the display's own")
    parser.add_argument("--framerate", type=int, required=True, help="frames a second at most")
    parser.add_argument("--bitrate", type=int, required=True, help="ceiling in bit/s")
    parser.add_argument("--end-timestamp", type=int, required=True, help="ms on guacd's clock")
    parser.add_argument("--no-pointer", dest="pointer", action="store_false")
    parser.add_argument("--codec", choices=CODECS, default=DEFAULT_CODEC)
    parser.add_argument("--preset", default="", help="the codec's own name for it")
    parser.add_argument("--quality", type=int, default=0, help="lower is better, 0: the default")
    parser.add_argument("--threads", type=int, default=1)
    return parser


#: Made once: what argparse loads while it is made, forked workers find loaded (4 ms of CPU).
_PARSER: Final = _parser()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = _PARSER.parse_args(arguments)
    return answer("render", lambda: render(options))


if __name__ == "__main__":
    os.umask(0o077)  # clip and thumbnail are the daemon's alone
    sys.exit(main())
