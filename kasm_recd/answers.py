"""What a worker answered: the JSON object on the last line of its stdout."""

from __future__ import annotations

import json
from typing import Any

from kasm_recd.errors import WorkerFailed


def answer(name: str, stdout: bytes) -> dict[str, Any]:
    """The object that the worker ``name`` printed; raises WorkerFailed where there is none."""
    try:
        found = json.loads(stdout.splitlines()[-1])
    except (ValueError, IndexError, RecursionError) as error:
        raise WorkerFailed(f"worker {name} gave no result: {error}") from error
    if not isinstance(found, dict):
        raise WorkerFailed(f"worker {name} gave no result, but {found!r:.200}")
    return found
