"""How a worker program ends: one JSON object on stdout, or one line on stderr and exit code 1."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from typing import TYPE_CHECKING, Any, Final

from kasm_recd.errors import RecdError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGEST_KEPT: Final = 32 << 20  # the most that glibc takes


def answer(name: str, work: Callable[[], Mapping[str, Any]]) -> int:
    """Do ``work`` and say what came of it; returns the exit code."""
    gc.freeze()  # what was loaded is no garbage
    if "numpy" in sys.modules:
        _keep_pictures()
    try:
        result = work()
    except (OSError, RecdError) as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - this is where a worker reports
        return 1
    print(json.dumps(result))  # noqa: T201 - as above
    return 0


def _keep_pictures() -> None:
    """Let the C library keep the memory of a picture for the next one, where it is glibc.

    It would hand megabytes back to the kernel each time, and page in new ones: 14 % of the CPU of a
    terminal that scrolls. See mallopt(3).
    """
    if hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        library.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_KEPT)
