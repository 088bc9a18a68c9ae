"""How a worker program ends: one JSON object on stdout, or one line on stderr and exit code 1."""

from __future__ import annotations

import gc
import json
import sys
from typing import TYPE_CHECKING, Any

from kasm_recd.errors import RecdError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def answer(name: str, work: Callable[[], Mapping[str, Any]]) -> int:
    """Do ``work`` and say what came of it; returns the exit code."""
    _collect_seldom()
    try:
        result = work()
    except (OSError, RecdError) as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - this is where a worker reports
        return 1
    print(json.dumps(result))  # noqa: T201 - as above
    return 0


def _collect_seldom() -> None:
    """A worker makes millions of short-lived tuples; looking for cycles among them took 15 %."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
