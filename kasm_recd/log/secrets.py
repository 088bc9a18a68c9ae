"""What must never be read in a log line."""

from __future__ import annotations

import functools
import json
import re
from typing import Any, Final

REDACTED: Final = "[redacted]"
SHORTEST_SECRET: Final = 4  # blotting out a shorter value would make lines unreadable

_SECRET_NAME: Final = re.compile(
    r"secret|passw|credential|authorization|signature|storage_key$|access_key|"
    r"(?:api|auth|session|security)_?token",
    re.IGNORECASE,
)
concealed: Final[set[str]] = set()


def conceal(*secrets: str) -> None:
    """Blot these values out of every line from now on, wherever they stand."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            concealed.update({secret, json.dumps(secret)[1:-1]})


def blotted(text: str) -> str:
    """``text`` without the concealed values."""
    for secret in tuple(concealed):
        if secret in text:
            text = text.replace(secret, REDACTED)
    return text


@functools.lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def masked(name: str, value: Any) -> Any:
    """``value``, or what may be shown in its place."""
    if is_secret(name):
        return REDACTED
    if isinstance(value, dict):
        return {str(key): masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked("", inner) for inner in value]
    return value
