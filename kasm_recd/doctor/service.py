"""What the running daemon says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kasm_recd.client import ask
from kasm_recd.doctor.finding import error, note, ok
from kasm_recd.errors import ControlRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kasm_recd.doctor.finding import Finding


def service(socket: Path) -> Iterator[Finding]:
    """Whether it answers, and takes recorded sessions."""
    try:
        _, found = ask(socket, "GET", "/v1/status")
    except ControlRefused as refused:
        yield note("service.running", str(refused), "systemctl start kasm-recd")
        return
    if found.get("draining"):
        yield note("service.admitting", "it is draining", "systemctl restart kasm-recd ends that.")
    elif not found.get("healthy"):
        yield error(
            "service.admitting",
            f"recorded sessions are refused: {found.get('message')}",
            f"Reason {found.get('refusing')}: see README.md, 'For the broker'.",
        )
    else:
        yield ok("service.admitting", "recorded sessions are taken")
    for name, destination in found.get("destinations", {}).items():
        if destination["failures"]:
            yield error(
                "service.uploads",
                f"{destination['failures']} uploads to {name} failed in a row: "
                f"{destination['last_error']}",
                "See the findings about the store.",
            )
