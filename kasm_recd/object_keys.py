"""Object keys: a location's template filled in for a session, and the keys beside a clip's.

A value can neither end its component of the key nor vanish from it: see :func:`safe`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kasm_recd.session import Session

VARIABLES: Final = (
    "kasm_id",
    "user_id",
    "username",
    "image_id",
    "image_friendly_name",
    "created_timestamp",
    "created_date",
    "start_timestamp",
    "start_date",
    "current_epoch",  # of the upload, in milliseconds
)
UNANNOUNCED: Final = "unannounced"

#: An S3 key holds 1,024 bytes of UTF-8 and a file name 255; some are kept for ``.NNNN`` and the
#: names of the files beside the clip, ``.seek/activity.json`` at the longest.
KEY_BYTES: Final = 1024 - 32
COMPONENT_BYTES: Final = 255 - 16
#: Most bytes of one value; the next smaller size is taken when the key would be too long.
VALUE_BYTES: Final = (128, 64, 32, 16)

VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_EXTENSION: Final = re.compile(r"\.(?=[0-9]*[A-Za-z])[A-Za-z0-9]{1,8}\Z")
_NUMBER: Final = re.compile(r"\.(\d{4,6})\Z")
_NONCHARACTER: Final = re.compile(r"[\ufdd0-\ufdef\ufffe\uffff]")
_CONTROL_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def filled(template: str, variables: Mapping[str, str]) -> str:
    """``template`` with its variables filled in, each value as long as the whole key allows.

    Variables that are missing or blank become ``unannounced``.
    """
    key = ""
    for size in VALUE_BYTES:
        key = _with_values(template, variables, size)
        if fits(key):
            break
    return key


def variables_of(session: Session, *, now: float) -> dict[str, str]:
    """Kasm's ten variables of a session; dates are UTC, ``now`` is Unix seconds."""
    return {
        "kasm_id": session.kasm_id if session.announced else UNANNOUNCED,
        "user_id": session.user_id,
        "username": session.username,
        "image_id": session.image_id,
        "image_friendly_name": session.image_friendly_name,
        "created_timestamp": session.created_timestamp,
        "created_date": _utc_date(session.created_timestamp),
        "start_timestamp": session.start_timestamp,
        "start_date": _utc_date(session.start_timestamp),
        "current_epoch": str(int(now * 1000)),
    }


def numbered(key: str, n: int) -> str:
    """``key`` with number ``n`` before its extension, in place of the number that it may have."""
    stem, extension = split_extension(key)
    return f"{_NUMBER.sub('', stem)}.{n:04d}{extension}"


def following(key: str) -> str:
    """The key to try when another content lies under this one: the next ``.NNNN``."""
    number = _NUMBER.search(split_extension(key)[0])
    return numbered(key, int(number[1]) + 1 if number else 1)


def sibling(key: str, suffix: str) -> str:
    """The key of a file beside the clip: its extension becomes ``suffix`` (``".json"``)."""
    return split_extension(key)[0] + suffix


def safe(value: str, *, size: int = VALUE_BYTES[0]) -> str:
    r"""A value as it stands in a key: never empty, never more than its part of a component.

    A blank value becomes ``unannounced``. Slashes, backslashes, control characters, and a dot or
    space at either end become ``_``; what is longer than ``size`` bytes of UTF-8 is cut. A value
    that was changed ends in ``-`` and 8 hex digits of its SHA-256, so that two values do not meet.
    """
    if not value.strip():
        return UNANNOUNCED
    harmless = "".join("_" if c in "/\\" or is_control(c) else c for c in value)
    harmless = re.sub(r"\A[.\s]|[.\s]\Z", "_", harmless)
    if harmless == value and len(value.encode()) <= size:
        return value
    digest = hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()[:8]
    room = size - len(digest) - 1
    return f"{harmless.encode()[:room].decode(errors='ignore')}-{digest}"


def split_extension(key: str) -> tuple[str, str]:
    """A key without its extension, and the extension; a number alone is none."""
    found = _EXTENSION.search(key)
    return (key[: found.start()], found[0]) if found else (key, "")


def fits(key: str) -> bool:
    """Whether a store takes the key, with what is still to be added to it."""
    components = key.split("/")
    longest = max(len(component.encode()) for component in components)
    return len(key.encode()) <= KEY_BYTES and longest <= COMPONENT_BYTES


def is_control(character: str) -> bool:
    """Whether a character controls instead of showing anything, or is none at all."""
    category = unicodedata.category(character)
    return category in _CONTROL_CATEGORIES or bool(_NONCHARACTER.match(character))


def _with_values(template: str, variables: Mapping[str, str], size: int) -> str:
    return VARIABLE.sub(lambda found: safe(variables.get(found[1], ""), size=size), template)


def _utc_date(timestamp: str) -> str:
    """``YYYY-MM-DD`` of an ISO 8601 timestamp (UTC where it names no zone); blank if it is none."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return ""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).date().isoformat()
