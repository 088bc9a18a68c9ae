"""Ends a run with what ran in each suite, what was skipped and why; skips make it INCOMPLETE."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

OUTCOMES = ("passed", "failed", "error", "skipped")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in OUTCOMES:
        for report in terminalreporter.getreports(outcome):
            suite = suite_of(report.nodeid)
            counts[suite][outcome] += 1
            if outcome == "skipped":
                reasons[suite][reason_of(report)] += 1
    terminalreporter.section("suites")
    for suite, found in sorted(counts.items()):
        told = ", ".join(f"{found[outcome]} {outcome}" for outcome in OUTCOMES if found[outcome])
        terminalreporter.line(f"{suite:<24} {told}")
        for reason, times in sorted(reasons[suite].items()):
            terminalreporter.line(f"{'':<24}   skipped {times}: {reason}")
    skipped = sum(found["skipped"] for found in counts.values())
    if skipped:
        terminalreporter.line(f"INCOMPLETE: {skipped} tests were skipped on this machine", red=True)


def suite_of(nodeid: str) -> str:
    """A folder below ``tests``, or what ``test_journal_walks.py`` and its like begin with."""
    path = PurePath(nodeid.partition("::")[0])
    if path.parent.name != "tests":
        return path.parent.name
    return path.stem.removeprefix("test_").partition("_")[0]


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
