"""The arguments of an instruction as what they stand for."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.limits import Undrawable, checked_number


def take(args: tuple[bytes, ...], count: int) -> tuple[bytes, ...]:
    """The first ``count`` arguments; later releases may add more. Raises Undrawable."""
    if len(args) < count:
        raise Undrawable(f"{len(args)} arguments where {count} are needed")
    return args[:count]


def numbers(args: tuple[bytes, ...], count: int) -> tuple[int, ...]:
    """The first ``count`` arguments as whole numbers. Raises Undrawable."""
    return _numbers(take(args, count))


@lru_cache(maxsize=4_096)
def _numbers(args: tuple[bytes, ...]) -> tuple[int, ...]:
    """A screen repeats itself, so half of them are known; what no number is, is not kept."""
    return tuple(map(checked_number, args))


def real(text: bytes) -> float:
    """``text`` as a number with a fraction. Raises Undrawable."""
    try:
        number = float(text)
    except ValueError:
        raise Undrawable(f"not a number: {text[:20]!r}") from None
    if not isfinite(number) or abs(number) > limits.COORDINATE:
        raise Undrawable(f"number out of range: {text[:20]!r}")
    return number
