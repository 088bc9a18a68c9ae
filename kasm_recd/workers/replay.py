"""Replay a segment: the display after it, as the preamble of the next one.

``python -I -m kasm_recd.workers.replay --input BODY [--preamble P] --output NEXT`` prints
``{"length", "sha256", "timestamp"}``: NEXT's bytes, and the milliseconds of guacd's clock at its
one ``sync``, which is the last one of P and BODY. Where those have none, nor has NEXT, and the
timestamp is null. P is absent for a recording's first body. NEXT is on disk when it ends well, and
gone when it does not.
"""

from __future__ import annotations

import argparse
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, read
from kasm_recd.workers.files import pieces_of
from kasm_recd.workers.following import write_following
from kasm_recd.workers.program import answer

if TYPE_CHECKING:
    from collections.abc import Iterable


def replay(body: Path, following: Path, *, before: Path | None = None) -> dict[str, Any]:
    """Write the display after the preamble ``before`` and ``body`` to the new file ``following``.

    What is damaged is passed over, as everywhere. Raises OSError.
    """
    display = Display()
    return write_following(display, _play(display, _pieces(before, body)), following)


def _pieces(before: Path | None, body: Path) -> Iterable[bytes]:
    """Both files as the one stream that they are when played."""
    return chain.from_iterable(map(pieces_of, filter(None, (before, body))))


def _play(display: Display, stream: Iterable[bytes]) -> tuple[bytes, ...]:
    """Show all of ``stream``; returns the arguments of its last ``sync``, none without one."""
    sync: tuple[bytes, ...] = ()
    for found in read(stream):
        if isinstance(found, Instruction):
            display.apply(found)
            if found.opcode == "sync":
                sync = found.args
    return sync


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="replay")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--preamble", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    return answer("replay", lambda: replay(given.input, given.output, before=given.preamble))


if __name__ == "__main__":
    sys.exit(main())
