"""What a broker asks, checked field by field; pure.

A field that is wrong is named in :class:`BadRequest`. Fields that are not known are left out of the
value and handed back by name, so that a newer broker can talk to an older daemon.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kasm_recd.session import Session

TEXT_LENGTH: Final = 1024  # characters of a text field
KASM_ID_LENGTH: Final = 256
#: Bytes of a recording's name: a file name has 255, guacd may add ``.255``, we ``.json``.
NAME_BYTES: Final = 240
ISSUED_LENGTH: Final = 100  # characters of kasm_id that an issued name keeps

_TEXTS: Final = (
    "user_id",
    "username",
    "image_id",
    "image_friendly_name",
    "created_timestamp",
    "start_timestamp",
)
_TIMESTAMPS: Final = frozenset({"created_timestamp", "start_timestamp"})
_KNOWN: Final = frozenset({"kasm_id", "record_sessions", "staged", "recording_name", *_TEXTS})
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_RECONNECT: Final = re.compile(r"\.[0-9]{1,3}$")  # guacd's own suffix for a name that is taken


class BadRequest(ValueError):
    """The request is wrong in ``field`` (empty: as a whole)."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        #: The session, where the request got so far as to name one.
        self.kasm_id = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRequest:
    """One question of a broker; texts are empty where it did not say."""

    kasm_id: str
    record_sessions: bool
    staged: bool = False
    recording_name: str = ""  # wished; empty: the daemon issues one
    user_id: str = ""
    username: str = ""
    image_id: str = ""
    image_friendly_name: str = ""
    created_timestamp: str = ""
    start_timestamp: str = ""
    unknown: tuple[str, ...] = ()  # names of fields that were passed over

    def session(self, *, token: str, at: float) -> Session:
        """The session to register at Unix time ``at``; ``token`` makes an issued name unique."""
        return Session(
            kasm_id=self.kasm_id,
            user_id=self.user_id,
            username=self.username,
            image_id=self.image_id,
            image_friendly_name=self.image_friendly_name,
            created_timestamp=self.created_timestamp,
            start_timestamp=self.start_timestamp,
            recording_name=self.recording_name or issued_name(self.kasm_id, token),
            admitted_at=at,
        )


def parse(body: bytes) -> AdmissionRequest:
    """The question in a JSON body; raises BadRequest."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("", "the body is not JSON") from None
    if not isinstance(fields, dict):
        raise BadRequest("", "the body is not a JSON object")
    if not (kasm_id := _text(fields, "kasm_id", KASM_ID_LENGTH)):
        raise BadRequest("kasm_id", "it is missing or empty")
    try:
        return _checked(kasm_id, fields)
    except BadRequest as error:
        error.kasm_id = kasm_id
        raise


def _checked(kasm_id: str, fields: dict[str, Any]) -> AdmissionRequest:
    return AdmissionRequest(
        kasm_id=kasm_id,
        record_sessions=_flag(fields, "record_sessions"),
        staged=_flag(fields, "staged", default=False),
        recording_name=_name(_text(fields, "recording_name")),
        **{name: _text(fields, name) for name in _TEXTS},
        unknown=tuple(sorted(fields.keys() - _KNOWN)),
    )


def issued_name(kasm_id: str, token: str) -> str:
    """A file name for a session: its ``kasm_id``, made safe, and ``token``."""
    return f"{_UNSAFE.sub('_', kasm_id)[:ISSUED_LENGTH]}-{token}"


def _text(fields: dict[str, Any], name: str, length: int = TEXT_LENGTH) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequest(name, "it is not a string")
    if len(value) > length:
        raise BadRequest(name, f"it is longer than {length} characters")
    if not value.isprintable():  # also what is no Unicode text: a lone surrogate
        raise BadRequest(name, "it contains a control character")
    if value and name in _TIMESTAMPS:
        _check_timestamp(name, value)
    return value


def _check_timestamp(name: str, value: str) -> None:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise BadRequest(name, "it is not an ISO 8601 timestamp") from None


def _flag(fields: dict[str, Any], name: str, *, default: bool | None = None) -> bool:
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise BadRequest(name, "it is missing" if value is None else "it is not true or false")
    return value


def _name(name: str) -> str:
    """A wished name: one component of a path, and none that somebody else would take for his."""
    if "/" in name or name.strip() != name:
        raise BadRequest("recording_name", "it is not a single component of a path")
    if name.startswith("."):
        raise BadRequest("recording_name", "it begins with a dot")
    if name.endswith(".json") or _RECONNECT.search(name):
        raise BadRequest("recording_name", "names ending in .json or a number are reserved")
    if len(name.encode()) > NAME_BYTES:
        raise BadRequest("recording_name", f"it is longer than {NAME_BYTES} bytes")
    return name
