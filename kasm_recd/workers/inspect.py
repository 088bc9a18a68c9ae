"""Inspect a recording: what it holds, for people.

``python -I -m kasm_recd.workers.inspect --input FILE`` prints ``{"duration_ms", "first_sync",
"last_sync", "syncs", "longest_gap_ms", "display_sizes", "opcodes", "bytes", "damage",
"contains_keys", "contains_audio", "doubtful"}``.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from kasm_recd.contents import contents_to_json
from kasm_recd.guacamole.contents import Summary, display_size
from kasm_recd.guacamole.instructions import Instruction, read
from kasm_recd.guacamole.opcodes import OPCODES
from kasm_recd.workers.files import opened, pieces
from kasm_recd.workers.program import answer

#: What opcodes that guacd does not have are counted as; a hostile file may have any number of them.
UNKNOWN: Final = "unknown"
#: Changes of the display's size that are told one by one.
MAX_SIZES: Final = 1_000


class Inventory:
    """Counts what the contents of a segment do not tell."""

    def __init__(self) -> None:
        self.opcodes: Counter[str] = Counter()
        self.sizes: list[tuple[int, int]] = []
        self.doubtful = 0

    def note(self, instruction: Instruction) -> None:
        """Take in the next instruction."""
        self.opcodes[instruction.opcode if instruction.opcode in OPCODES else UNKNOWN] += 1
        self.doubtful += instruction.doubtful
        if instruction.opcode == "size":
            size = display_size(instruction)
            if size is not None and self.sizes[-1:] != [size] and len(self.sizes) < MAX_SIZES:
                self.sizes.append(size)


def inspect(recording: Path) -> dict[str, Any]:
    """What ``recording`` holds; raises OSError."""
    summary, inventory, length = Summary(), Inventory(), 0
    with opened(recording) as source:
        for found in read(pieces(source)):
            summary.note(found)
            length = found.end
            if isinstance(found, Instruction):
                inventory.note(found)
    contents = contents_to_json(summary.contents)
    return {
        "duration_ms": (contents["last_sync"] or 0) - (contents["first_sync"] or 0),
        "first_sync": contents["first_sync"],
        "last_sync": contents["last_sync"],
        "syncs": contents["sync_count"],
        "longest_gap_ms": contents["longest_gap_ms"],
        "display_sizes": inventory.sizes,
        "opcodes": dict(sorted(inventory.opcodes.items())),
        "bytes": length,
        "damage": contents["damage"],
        "contains_keys": contents["contains_keys"],
        "contains_audio": contents["contains_audio"],
        "doubtful": inventory.doubtful,
    }


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="inspect")
    parser.add_argument("--input", type=Path, required=True)
    given = parser.parse_args()
    return answer("inspect", lambda: inspect(given.input))


if __name__ == "__main__":
    sys.exit(main())
