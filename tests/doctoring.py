"""Runs the doctor in this process, on settings that a test names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasm_recd import doctor
from kasm_recd.doctor.finding import Finding, Severity
from kasm_recd.settings import load

if TYPE_CHECKING:
    from kasm_recd.settings import Settings

NOWHERE = Path("/nonexistent/admission.sock")


def environ(settings: dict[str, object]) -> dict[str, str]:
    return {f"KASM_RECD_{name.upper()}": str(value) for name, value in settings.items()}


def settings_of(settings: dict[str, object]) -> Settings:
    return load(None, environ=environ(settings), credentials_dir=None)


def diagnosed(settings: dict[str, object], **options: Any) -> list[Finding]:
    found = doctor.diagnose(None, NOWHERE, environ=environ(settings), **options)
    return list(found)


def at(severity: Severity, findings: list[Finding], part: str = "") -> dict[str, Finding]:
    """By name, the findings of that severity whose name begins with ``part``."""
    return {
        found.check: found
        for found in findings
        if found.severity is severity and found.check.startswith(part)
    }


def bad(findings: list[Finding], part: str = "") -> dict[str, Finding]:
    """By name, the warnings and errors."""
    return at(Severity.WARNING, findings, part) | at(Severity.ERROR, findings, part)
