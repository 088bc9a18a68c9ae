"""Cut a recording: its bytes from one offset to another, verbatim, and what they hold.

``python -I -m kasm_recd.workers.cut --input FILE --start N [--end N] --output BODY`` copies all
that is there. With ``--limit N --hard-limit M`` the body ends after the last ``sync`` within N
bytes; where there is none, after the first one beyond; and where M bytes hold none, after an
instruction. What cannot be cut so yet is left for later: the body then has no byte. ``--live``
leaves at least the file's last byte for later, so that there will be a last segment, which lasts
until the recording's end. ``--after-sync MS`` and ``--display WxH`` say what the preamble ends
with, so that the contents are those of both. ``--glance`` looks only at the ends of a large body:
reading all of it takes longer than copying it, and ``survey`` can do that when the disk is free.

It prints ``{"length", "sha256", "contents", "timestamp", "newest_sync", "more"}``: the last
``sync`` of the body and of the whole file (guacd's milliseconds, null without), and whether bytes
are left. Offsets of damage count from the recording's beginning. BODY is on disk when it ends well,
and gone when it does not.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from kasm_recd.errors import RecordingChanged
from kasm_recd.workers.bounds import GLANCE, Limits
from kasm_recd.workers.copying import Copying
from kasm_recd.workers.files import created, opened
from kasm_recd.workers.program import answer


def cut(
    recording: Path,
    body: Path,
    *,
    start: int,
    end: int | None = None,
    limits: Limits | None = None,
    after_sync: int | None = None,
    display: tuple[int, int] | None = None,
    at_a_glance: bool = False,
    live: bool = False,
) -> dict[str, Any]:
    """Copy the bytes of ``recording`` from ``start`` on to ``body``: see above.

    Raises RecordingChanged where the recording is shorter than that, or shrinks, and OSError.
    """
    with (
        opened(recording) as source,
        created(body) as target,
        Copying(source, target, start) as copying,
    ):
        end = os.fstat(source).st_size if end is None else end
        if end < start:
            raise RecordingChanged(f"{recording} has {end} bytes and is to be cut at {start}")
        until = max(start, end - 1) if live else end
        wanted = limits.wanted if limits else until - start
        if at_a_glance:
            copying.go_ahead(max(0, min(until - start, wanted) - GLANCE))
        from kasm_recd.workers import seams  # noqa: PLC0415 - 30 ms while the disk is at work

        seam = at_a_glance and seams.glance(source, start, until, limits, after_sync)
        if not seam:
            prelude = seams.prelude_of(after_sync, display)
            seam = seams.read_all(source, start, until, limits, prelude)
        digest = copying.finish(seam.end - start)
        size = os.fstat(source).st_size
        if size < end:
            raise RecordingChanged(f"{recording} shrank from {end} bytes to {size}")
        newest = seams.newest_sync(source, seam.end) if limits else None
        return {
            "length": seam.end - start,
            "sha256": digest,
            "contents": seams.contents_to_json(seam.contents),
            "timestamp": seam.timestamp,
            "newest_sync": seam.timestamp if newest is None else newest,
            "more": size > seam.end,
        }


def _display(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="cut")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--end", type=int)
    parser.add_argument("--limit", type=int, help="bytes that the body should have at most")
    parser.add_argument("--hard-limit", type=int, help="bytes that it may have; default: twice")
    parser.add_argument("--after-sync", type=int, help="ms on guacd's clock")
    parser.add_argument("--display", type=_display, help="WxH")
    parser.add_argument("--glance", action="store_true", help="do not read all of a large body")
    parser.add_argument("--live", action="store_true", help="leave the last byte")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    limits = given.limit and Limits(given.limit, given.hard_limit or 2 * given.limit)
    return answer(
        "cut",
        lambda: cut(
            given.input,
            given.output,
            start=given.start,
            end=given.end,
            limits=limits,
            after_sync=given.after_sync,
            display=given.display,
            at_a_glance=given.glance,
            live=given.live,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
