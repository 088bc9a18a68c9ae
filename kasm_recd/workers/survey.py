"""Survey a segment: what its preamble and its body hold.

``python -I -m kasm_recd.workers.survey --input BODY [--preamble FILE] --start N`` prints
``{"contents", "sha256"}``: the contents of both, as when they are played, with offsets of damage
counted from the recording's beginning, where BODY has the bytes from N on; and BODY's digest.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasm_recd.contents import contents_to_json
from kasm_recd.guacamole.contents import Summary
from kasm_recd.guacamole.instructions import Reader
from kasm_recd.workers.files import opened, pieces
from kasm_recd.workers.program import answer

if TYPE_CHECKING:
    from collections.abc import Iterator


def survey(body: Path, *, start: int, preamble: Path | None = None) -> dict[str, Any]:
    """What is printed: see above; raises OSError."""
    opening = b"".join(_pieces(preamble)) if preamble else b""
    reader, summary = Reader(offset=start - len(opening)), Summary()
    digest = hashlib.sha256()
    for found in reader.feed(opening):
        summary.note(found)
    for piece in _pieces(body):
        digest.update(piece)
        for found in reader.feed(piece):
            summary.note(found)
    for found in reader.close():
        summary.note(found)
    contents = summary.contents
    damage = tuple(place for place in contents.damage if place.end > start)
    return {
        "contents": contents_to_json(replace(contents, damage=damage)),
        "sha256": digest.hexdigest(),
    }


def _pieces(path: Path) -> Iterator[bytes]:
    with opened(path) as source:
        yield from pieces(source)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="survey")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--preamble", type=Path)
    parser.add_argument("--start", type=int, required=True)
    given = parser.parse_args()
    return answer("survey", lambda: survey(given.input, start=given.start, preamble=given.preamble))


if __name__ == "__main__":
    sys.exit(main())
