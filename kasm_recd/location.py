"""The upload-location grammar: bucket, endpoint, template variables, object keys.

    s3://bucket[@endpoint[:port]]/path/{username}/{kasm_id}.mp4
    file:///folder/{username}/{kasm_id}.mp4

The path is a template with Kasm's ten variables. It is split into components before the variables
are filled in, and a value can neither end its component nor vanish from it: see :func:`safe`.
Text is taken literally, nothing is percent-decoded. This module opens nothing.
"""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from kasm_recd.errors import LocationInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kasm_recd.segment import Session

DEFAULT_ENDPOINT: Final = "s3.amazonaws.com"
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
#: extensions of the files beside the clip.
KEY_BYTES: Final = 1024 - 16
COMPONENT_BYTES: Final = 255 - 16
#: Most bytes of one value; the next smaller size is taken when the key would be too long.
VALUE_BYTES: Final = (128, 64, 32, 16)

_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_EXTENSION: Final = re.compile(r"\.(?=[0-9]*[A-Za-z])[A-Za-z0-9]{1,8}\Z")
_LAST_PORT: Final = 65535
_NUMBER: Final = re.compile(r"\.(\d{4,6})\Z")
_NONCHARACTER: Final = re.compile(r"[\ufdd0-\ufdef\ufffe\uffff]")
#: The files that lie beside the clip, under its name.
_RESERVED_EXTENSIONS: Final = frozenset({".jpg", ".json", ".guac"})
_CONTROL_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Destination:
    """Where objects go, without their keys; ``str()`` is what the journal keeps.

    ``s3`` has ``bucket`` and ``endpoint`` (``host[:port]``), ``file`` has ``folder`` (absolute).
    """

    scheme: Literal["s3", "file"]
    bucket: str = ""
    endpoint: str = ""
    folder: str = ""

    def __str__(self) -> str:
        if self.scheme == "s3":
            return f"s3://{self.bucket}@{self.endpoint}"
        return f"file://{self.folder}"


@dataclass(frozen=True, slots=True)
class Location:
    """A checked upload location: ``target`` and the ``template`` of the keys below it."""

    target: Destination
    template: str
    warnings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Location:
        """The location that ``text`` names; raises LocationInvalid with the reason and a hint."""
        if any(_is_control(character) for character in text):
            raise _invalid(text, "it contains a control character")
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in ("s3", "file"):
            raise _invalid(text, "it begins with neither 's3://' nor 'file:///'")
        if scheme == "s3":
            authority, _, path = rest.partition("/")
            target = _bucket_target(text, authority)
        else:
            folder, path = _fixed_folder(text, rest)
            target = Destination("file", folder=folder)
        _check_template(text, path)
        warnings = []
        if not _EXTENSION.search(path):
            path += ".mp4"
            warnings.append("the last component has no extension: '.mp4' is added")
        if "{kasm_id}" not in path:
            warnings.append("without {kasm_id}, clips of different sessions compete for one key")
        return cls(target, path, tuple(warnings))

    @property
    def destination(self) -> str:
        """What the journal keeps: ``s3://bucket@endpoint`` or ``file:///folder``."""
        return str(self.target)

    def key(self, variables: Mapping[str, str], *, sequence: int) -> str:
        """The object key of a clip, relative to the destination.

        Variables that are missing or blank become ``unannounced``. Where the template lacks
        ``current_epoch``, the segment's ``sequence`` goes before the extension as ``.NNNN``.
        """
        key = ""
        for size in VALUE_BYTES:
            key = _filled(self.template, variables, size)
            if _fits(key):
                break
        if "{current_epoch}" in self.template:
            return key
        stem, extension = _split_extension(key)
        return f"{stem}.{sequence:04d}{extension}"


def destination_of(text: str) -> Destination:
    """What :attr:`Location.destination` says, read back; raises LocationInvalid."""
    scheme, _, rest = text.partition("://")
    if scheme == "s3":
        return _bucket_target(text, rest)
    if scheme == "file" and rest.startswith("/"):
        return Destination("file", folder=rest)
    raise _invalid(text, "it is no destination")


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
    stem, extension = _split_extension(key)
    return f"{_NUMBER.sub('', stem)}.{n:04d}{extension}"


def following(key: str) -> str:
    """The key to try when another content lies under this one: the next ``.NNNN``."""
    number = _NUMBER.search(_split_extension(key)[0])
    return numbered(key, int(number[1]) + 1 if number else 1)


def sibling(key: str, suffix: str) -> str:
    """The key of a file beside the clip: its extension becomes ``suffix`` (``".json"``)."""
    return _split_extension(key)[0] + suffix


def safe(value: str, *, size: int = VALUE_BYTES[0]) -> str:
    r"""A value as it stands in a key: never empty, never more than its part of a component.

    A blank value becomes ``unannounced``. Slashes, backslashes, control characters, and a dot or
    space at either end become ``_``; what is longer than ``size`` bytes of UTF-8 is cut. A value
    that was changed ends in ``-`` and 8 hex digits of its SHA-256, so that two values do not meet.
    """
    if not value.strip():
        return UNANNOUNCED
    harmless = "".join("_" if c in "/\\" or _is_control(c) else c for c in value)
    harmless = re.sub(r"\A[.\s]|[.\s]\Z", "_", harmless)
    if harmless == value and len(value.encode()) <= size:
        return value
    digest = hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()[:8]
    room = size - len(digest) - 1
    return f"{harmless.encode()[:room].decode(errors='ignore')}-{digest}"


def _bucket_target(text: str, authority: str) -> Destination:
    bucket, named, endpoint = authority.partition("@")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket or _is_address(bucket):
        raise _invalid(
            text,
            f"'{bucket}' is no bucket name",
            hint="3 to 255 of a-z 0-9 . - (older buckets: A-Z _), a letter or digit at both ends, "
            "not an IP address; an access point goes by its alias, not by its ARN.",
        )
    endpoint = endpoint.lower() if named else DEFAULT_ENDPOINT
    _check_endpoint(text, endpoint)
    return Destination("s3", bucket=bucket, endpoint=endpoint)


def _check_endpoint(text: str, endpoint: str) -> None:
    """``host``, ``host:port``, ``[IPv6]`` or ``[IPv6]:port``."""
    parts = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]*))(?::(\d{1,5}))?", endpoint)
    six, host, port = parts.groups() if parts else (None, "", None)
    valid_host = _is_address(six) if six else bool(_HOST.fullmatch(host or ""))
    if not valid_host or (port is not None and not 1 <= int(port) <= _LAST_PORT):
        raise _invalid(
            text,
            f"'{endpoint}' is no endpoint",
            hint="Write host or host:port after the '@'; https or http is a setting of its own.",
        )


def _fixed_folder(text: str, path: str) -> tuple[str, str]:
    """The leading components without variables are the folder; at least the name is left over."""
    if not path.startswith("/"):
        raise _invalid(text, "a folder is written with three slashes, 'file:///folder/...'")
    components = path[1:].split("/")
    fixed = 0
    while fixed < len(components) - 1 and not re.search(r"[{}]", components[fixed]):
        fixed += 1
    if not fixed:
        raise _invalid(text, "it names no folder")
    _check_components(text, components[:fixed])
    return "/" + "/".join(components[:fixed]), "/".join(components[fixed:])


def _check_template(text: str, template: str) -> None:
    for name in _VARIABLE.findall(template):
        if name not in VARIABLES:
            raise _unknown_variable(text, name)
    if re.search(r"[{}]", _VARIABLE.sub("", template)):
        raise _invalid(text, "a brace is not part of a {variable}")
    _check_components(text, template.split("/"))
    extension = _EXTENSION.search(template)
    if extension and extension[0].lower() in _RESERVED_EXTENSIONS:
        raise _invalid(
            text,
            f"the clip cannot end in '{extension[0]}', which a file beside it has",
            hint="Let the location end in '.mp4'.",
        )
    if not _fits(_VARIABLE.sub("x" * VALUE_BYTES[-1], template)):
        raise _invalid(
            text,
            f"keys could be longer than {KEY_BYTES} bytes, or one component of "
            f"them longer than {COMPONENT_BYTES}",
        )


def _check_components(text: str, components: list[str]) -> None:
    if not components[-1]:
        raise _invalid(text, "it does not end in a name", hint="For example '/{kasm_id}.mp4'.")
    for component in components:
        if not component:
            raise _invalid(text, "two slashes follow each other in the path")
        if component in (".", ".."):
            raise _invalid(text, f"'{component}' is no component of a path")


def _unknown_variable(text: str, name: str) -> LocationInvalid:
    near = difflib.get_close_matches(name, VARIABLES, n=1)
    meant = f"Did you mean {{{near[0]}}}? " if near else ""
    known = ", ".join(f"{{{each}}}" for each in VARIABLES)
    return _invalid(text, f"{{{name}}} is not known", hint=f"{meant}There are: {known}.")


def _invalid(text: str, reason: str, *, hint: str = "") -> LocationInvalid:
    hint = hint or "For example: s3://bucket@endpoint:443/recordings/{username}/{kasm_id}.mp4"
    return LocationInvalid(f"upload location {text!r}: {reason}", hint=hint)


def _filled(template: str, variables: Mapping[str, str], size: int) -> str:
    return _VARIABLE.sub(lambda found: safe(variables.get(found[1], ""), size=size), template)


def _fits(key: str) -> bool:
    components = key.split("/")
    longest = max(len(component.encode()) for component in components)
    return len(key.encode()) <= KEY_BYTES and longest <= COMPONENT_BYTES


def _split_extension(key: str) -> tuple[str, str]:
    """A key without its extension, and the extension; a number alone is none."""
    found = _EXTENSION.search(key)
    return (key[: found.start()], found[0]) if found else (key, "")


def _utc_date(timestamp: str) -> str:
    """``YYYY-MM-DD`` of an ISO 8601 timestamp (UTC where it names no zone); blank if it is none."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return ""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).date().isoformat()


def _is_control(character: str) -> bool:
    category = unicodedata.category(character)
    return category in _CONTROL_CATEGORIES or bool(_NONCHARACTER.match(character))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
