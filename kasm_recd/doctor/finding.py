"""What a check found: how bad it is, what is wrong, how to mend it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from kasm_recd.errors import OperatorError, RecdError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Severity(IntEnum):
    """How bad; the worst one decides the exit code."""

    OK = 0
    NOTE = 1  # worth knowing, nothing to do
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """``check`` is a stable name (``bucket.conditional_write``); ``mend`` says what to do."""

    severity: Severity
    check: str
    message: str
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "severity": self.severity.name.lower()}


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(Severity.OK, check, message)


def note(check: str, message: str, mend: str = "") -> Finding:
    """Worth knowing: a gap of the store, something that could not be looked at."""
    return Finding(Severity.NOTE, check, message, mend)


def warning(check: str, message: str, mend: str) -> Finding:
    """It works, and will not always."""
    return Finding(Severity.WARNING, check, message, mend)


def error(check: str, message: str, mend: str) -> Finding:
    """Recordings are or will be lost, or recorded sessions refused."""
    return Finding(Severity.ERROR, check, message, mend)


def of_error(check: str, found: RecdError) -> Finding:
    """One of our own errors as a finding, its hint as the way out."""
    if isinstance(found, OperatorError):
        return error(check, str(found), found.hint)
    return error(check, str(found), f"{found.hint} Then run doctor again.")


def exit_code(findings: Iterable[Finding]) -> int:
    """0: all is well, 1: warnings, 2: errors."""
    worst = max((found.severity for found in findings), default=Severity.OK)
    return {Severity.ERROR: 2, Severity.WARNING: 1}.get(worst, 0)
