"""Stands in for the replay worker: a preamble of the display's size, one rectangle and a sync.

It says in its colour how many bytes it was given, so that a test can tell what it was made from.
Where a file ``trouble`` lies beside its input it fails with what that file says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from kasm_recd.guacamole.contents import summarise
from kasm_recd.guacamole.instructions import encode, read


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--preamble", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    trouble = given.input.parent / "trouble"
    if trouble.exists():
        print(trouble.read_text(), file=sys.stderr)
        return 1
    parts = [path.read_bytes() for path in (given.preamble, given.input) if path]
    found = summarise(read(parts))
    made = (
        encode("size", 0, found.end_width, found.end_height)
        + encode("rect", 0, 0, 0, 50, 50)
        + encode("cfill", 14, 0, 0, 0, sum(map(len, parts)) % 256, 255)
        + (b"" if found.last_sync is None else encode("sync", found.last_sync, 1))
    )
    given.output.write_bytes(made)
    digest = hashlib.sha256(made).hexdigest()
    print(json.dumps({"length": len(made), "sha256": digest, "timestamp": found.last_sync}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
