"""A worker that does what it is told: Python code, its only argument."""

from __future__ import annotations

import sys


def main() -> int:
    """Do it."""
    exec(sys.argv[1], {"__name__": "__main__"})  # noqa: S102 - tests alone tell it
    return 0
