"""Survey a segment: what its preamble and its body hold.

``python -I -m kasm_recd.workers.survey --input BODY [--preamble FILE] --start N`` prints
``{"contents", "sha256"}``: the contents of both, as when they are played, with offsets of damage
counted from the recording's beginning, where BODY has the bytes from N on; and BODY's digest.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from pathlib import Path
from typing import Any

from kasm_recd.workers.noting import Noting
from kasm_recd.workers.program import answer


def survey(body: Path, *, start: int, preamble: Path | None = None) -> dict[str, Any]:
    """What is printed: see above; raises OSError."""
    noting = Noting(body, start=start, preamble=preamble)
    deque(noting.read(), maxlen=0)
    return noting.result


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
