"""What a setting may be: the kinds of its value, with their units, and how each is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from kasm_recd import units
from kasm_recd.errors import LocationInvalid
from kasm_recd.location import Location

MB: Final = 10**6
MINUTE, HOUR = 60.0, 3600.0


def _no_flag(value: Any) -> Any:
    """TOML's true is no number, though Python's is 1."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")  # noqa: TRY004 - pydantic's way
    return value


def _absolute(value: Path) -> Path:
    if not value.is_absolute() or ".." in value.parts:
        raise ValueError("the path must begin with / and have no ..")
    return value


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if text and not (host.strip("[]") and port.isdecimal() and 0 < int(port) < 65536):  # noqa: PLR2004
        raise ValueError("it is not host:port")
    return text


def _location(text: str) -> str:
    try:
        Location.parse(text)
    except LocationInvalid as error:
        context = {"reason": str(error), "way_out": error.hint}
        raise PydanticCustomError("location", "{reason}", context) from None
    return text


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("H.264 wants an even number")
    return value


def _ballast(value: int) -> int:
    if value and not 8 * MB <= value <= 10_000 * MB:
        raise ValueError("the size is not between 8MB and 10GB")
    return value


def _from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _command(value: tuple[str, ...]) -> tuple[str, ...]:
    if value and not value[0].startswith("/"):
        raise ValueError("the program's path must begin with /")
    return value


def _auto_size(value: Any) -> int | None:
    return None if value in ("auto", None) else units.size(value)


Number = Annotated[float, BeforeValidator(_no_flag)]
Whole = Annotated[int, BeforeValidator(_no_flag)]
Pixels = Annotated[int, BeforeValidator(_no_flag), Field(ge=16, le=7680), AfterValidator(_even)]
Size = Annotated[int, BeforeValidator(units.size)]  # bytes
Duration = Annotated[float, BeforeValidator(units.duration), Field(gt=0, le=3650 * 24 * HOUR)]
#: A duration that may be 0, for never.
Interval = Annotated[float, BeforeValidator(units.duration), Field(ge=0, le=3650 * 24 * HOUR)]
#: The size of the ballast; 0 is none.
BallastSize = Annotated[Size, AfterValidator(_ballast)]
#: Bytes, or None where the daemon is to choose.
AutoSize = Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_auto_size)]
Slots = Annotated[int, BeforeValidator(_no_flag), Field(ge=1, le=64)]
#: A program and its arguments; a text, as an environment variable is, holds them as JSON.
Command = Annotated[tuple[str, ...], BeforeValidator(_from_json), AfterValidator(_command)]
Folder = Annotated[Path, AfterValidator(_absolute)]
#: ``host:port``, or empty.
Address = Annotated[str, AfterValidator(_address)]
#: An upload location, kept as it was written.
LocationText = Annotated[str, AfterValidator(_location)]
#: Users or groups; a text holds them as JSON.
Names = Annotated[tuple[str, ...], BeforeValidator(_from_json)]
