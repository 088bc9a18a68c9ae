"""Sizes and durations as people write them; pure.

MB is 10^6 bytes and MiB is 2^20, as in the International System and in Kasm's own settings.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_SIZES: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_DURATIONS: Final = {
    "": Decimal(1),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_QUANTITY: Final = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)\s*")


def size(value: object) -> int:
    """Bytes: a whole number, or a text such as ``150MB``; raises ValueError otherwise."""
    number, unit = _split(value, "a size is a whole number of bytes, or a text such as 150MB")
    try:
        amount = number * _SIZES[unit.lower()]
    except KeyError:
        raise ValueError(
            f"'{unit}' is no unit of size: use kB, MB, GB, TB or KiB, MiB, GiB"
        ) from None
    if amount != int(amount):
        raise ValueError("a size is a whole number of bytes")
    return int(amount)


def duration(value: object) -> float:
    """Seconds: a number, or a text such as ``30s`` or ``24h``; raises ValueError otherwise."""
    number, unit = _split(value, "a duration is a number of seconds, or a text such as 30s or 24h")
    try:
        return float(number * _DURATIONS[unit.lower()])
    except KeyError:
        raise ValueError(f"'{unit}' is no unit of time: use ms, s, m, h or d") from None


def _split(value: object, expected: str) -> tuple[Decimal, str]:
    """Number and unit; a number that is already one has no unit."""
    if isinstance(value, int | float):
        value = repr(value)  # True and nan become texts that are no quantity
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(expected)
    return Decimal(match[1]), match[2]
