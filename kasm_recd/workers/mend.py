"""Mend a recording: a copy of all instructions without the damaged bytes, for strict readers.

``python -I -m kasm_recd.workers.mend --input BODY --output FILE`` prints ``{"length", "removed"}``
in bytes. What is merely doubtful stays in.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasm_recd.guacamole.instructions import read
from kasm_recd.segment import Damage
from kasm_recd.workers.files import copy, created, opened, pieces
from kasm_recd.workers.program import answer

if TYPE_CHECKING:
    from collections.abc import Iterator


def mend(body: Path, mended: Path) -> dict[str, Any]:
    """Copy what can be read of ``body`` to the new file ``mended``; raises OSError."""
    with opened(body) as source, created(mended) as target:
        length = 0
        for start, end in _sound(source):
            copy(source, target, start, end - start)
            length += end - start
        return {"length": length, "removed": os.fstat(source).st_size - length}


def _sound(body: int) -> Iterator[tuple[int, int]]:
    """The stretches between damaged places, first to last."""
    start = end = 0
    for found in read(pieces(body)):
        if isinstance(found, Damage):
            if start < found.start:
                yield start, found.start
            start = found.end
        end = found.end
    if start < end:
        yield start, end


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="mend")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    return answer("mend", lambda: mend(given.input, given.output))


if __name__ == "__main__":
    sys.exit(main())
