"""The upload-location grammar: bucket, endpoint or folder, and the template of the keys.

    s3://bucket[@endpoint[:port]]/path/{username}/{kasm_id}.mp4
    file:///folder/{username}/{kasm_id}.mp4

The path is a template with Kasm's ten variables. It is split into components before the variables
are filled in (:mod:`kasm_recd.object_keys`). Text is taken literally, nothing is percent-decoded.
This module opens nothing.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from kasm_recd.errors import LocationInvalid
from kasm_recd.object_keys import (
    COMPONENT_BYTES,
    KEY_BYTES,
    VALUE_BYTES,
    VARIABLE,
    VARIABLES,
    filled,
    fits,
    is_control,
    split_extension,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ENDPOINT: Final = "s3.amazonaws.com"

_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_LAST_PORT: Final = 65535
#: The files that lie beside the clip, under its name.
_RESERVED_EXTENSIONS: Final = frozenset({".jpg", ".json", ".guac"})


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
        if any(is_control(character) for character in text):
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
        if not split_extension(path)[1]:
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
        key = filled(self.template, variables)
        if "{current_epoch}" in self.template:
            return key
        stem, extension = split_extension(key)
        return f"{stem}.{sequence:04d}{extension}"


def destination_of(text: str) -> Destination:
    """What :attr:`Location.destination` says, read back; raises LocationInvalid."""
    scheme, _, rest = text.partition("://")
    if scheme == "s3":
        return _bucket_target(text, rest)
    if scheme == "file" and rest.startswith("/"):
        return Destination("file", folder=rest)
    raise _invalid(text, "it is no destination")


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
    for name in VARIABLE.findall(template):
        if name not in VARIABLES:
            raise _unknown_variable(text, name)
    if re.search(r"[{}]", VARIABLE.sub("", template)):
        raise _invalid(text, "a brace is not part of a {variable}")
    _check_components(text, template.split("/"))
    _, extension = split_extension(template)
    if extension.lower() in _RESERVED_EXTENSIONS:
        raise _invalid(
            text,
            f"the clip cannot end in '{extension}', which a file beside it has",
            hint="Let the location end in '.mp4'.",
        )
    if not fits(VARIABLE.sub("x" * VALUE_BYTES[-1], template)):
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


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
