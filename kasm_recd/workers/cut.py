"""Cut a recording: its bytes from one offset to another, verbatim, and what they hold.

``python -I -m kasm_recd.workers.cut --input FILE --start N [--end N] --output BODY`` prints
``{"length", "sha256", "contents"}``; offsets of damage count from the recording's beginning. BODY
is on disk when it ends well, and gone when it does not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from kasm_recd.errors import RecordingChanged
from kasm_recd.guacamole.contents import Summary
from kasm_recd.guacamole.instructions import Reader
from kasm_recd.segment import contents_to_json
from kasm_recd.workers.files import copy, created, opened, pieces
from kasm_recd.workers.program import answer


def cut(recording: Path, body: Path, *, start: int, end: int | None = None) -> dict[str, Any]:
    """Copy the bytes ``start`` to ``end`` (all that are there now) of ``recording`` to ``body``.

    Raises RecordingChanged where the recording is shorter than that, or shrinks, and OSError.
    """
    with opened(recording) as source, created(body) as target:
        end = os.fstat(source).st_size if end is None else end
        if end < start:
            raise RecordingChanged(f"{recording} has {end} bytes and is to be cut at {start}")
        copy(source, target, start, end - start)
        size = os.fstat(source).st_size
        if size < end:
            raise RecordingChanged(f"{recording} shrank from {end} bytes to {size}")
        result = _described(target, start)
        os.fsync(target)
        return result


def _described(body: int, offset: int) -> dict[str, Any]:
    reader, summary, digest, length = Reader(offset=offset), Summary(), hashlib.sha256(), 0
    for piece in pieces(body):
        digest.update(piece)
        length += len(piece)
        for read in reader.feed(piece):
            summary.note(read)
    for read in reader.close():
        summary.note(read)
    contents = contents_to_json(summary.contents)
    return {"length": length, "sha256": digest.hexdigest(), "contents": contents}


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="cut")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--end", type=int)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    return answer("cut", lambda: cut(given.input, given.output, start=given.start, end=given.end))


if __name__ == "__main__":
    sys.exit(main())
