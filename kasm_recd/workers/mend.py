"""Mend a recording: a copy of all instructions without the damaged bytes, for strict readers.

``python -I -m kasm_recd.workers.mend --input BODY [--preamble FILE] --output FILE`` prints
``{"length", "removed"}`` in bytes. What is merely doubtful stays in. A preamble is read before the
body, as if the two were one file.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasm_recd.contents import Damage
from kasm_recd.guacamole.instructions import read
from kasm_recd.workers.files import copy, created, opened, pieces
from kasm_recd.workers.program import answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def mend(body: Path, mended: Path, preamble: Path | None = None) -> dict[str, Any]:
    """Copy what can be read of ``body`` to the new file ``mended``; raises OSError."""
    with ExitStack() as stack:
        sources = [stack.enter_context(opened(path)) for path in (preamble, body) if path]
        target = stack.enter_context(created(mended))
        length = 0
        for start, end in _sound(sources):
            _copy_across(sources, target, start, end)
            length += end - start
        return {"length": length, "removed": sum(map(_size, sources)) - length}


def _sound(sources: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The stretches between damaged places, first to last, as if all were one file."""
    start = end = 0
    for found in read(chain.from_iterable(map(pieces, sources))):
        if isinstance(found, Damage):
            if start < found.start:
                yield start, found.start
            start = found.end
        end = found.end
    if start < end:
        yield start, end


def _copy_across(sources: Sequence[int], target: int, start: int, end: int) -> None:
    """Copy a stretch that may begin in one file and end in the next."""
    begin = 0
    for source in sources:
        size = _size(source)
        first, last = max(start, begin), min(end, begin + size)
        if first < last:
            copy(source, target, first - begin, last - first)
        begin += size


def _size(descriptor: int) -> int:
    return os.fstat(descriptor).st_size


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="mend")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--preamble", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    return answer("mend", lambda: mend(given.input, given.output, given.preamble))


if __name__ == "__main__":
    sys.exit(main())
