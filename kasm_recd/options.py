"""The options that several commands have."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    #: What commands are added to.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no other

DEFAULT_CONFIG: Final = Path("/etc/kasm-recd/kasm-recd.toml")
DEFAULT_SOCKET: Final = Path("/run/kasm-recd/admission.sock")


@dataclass(frozen=True, slots=True)
class Options:
    """Each a parent for the parsers of commands that have it."""

    settings: argparse.ArgumentParser
    socket: argparse.ArgumentParser
    script: argparse.ArgumentParser

    @classmethod
    def make(cls) -> Self:
        """With the environment's defaults."""
        settings = argparse.ArgumentParser(add_help=False)
        settings.add_argument(
            "--config",
            type=_config,
            default=os.environ.get("KASM_RECD_CONFIG", str(DEFAULT_CONFIG)),
            metavar="FILE",
            help=f"settings file; '' for none (default: $KASM_RECD_CONFIG, else {DEFAULT_CONFIG})",
        )
        socket = argparse.ArgumentParser(add_help=False)
        socket.add_argument(
            "--socket",
            type=Path,
            default=Path(os.environ.get("KASM_RECD_SOCKET", str(DEFAULT_SOCKET))),
            metavar="PATH",
            help=f"admission socket (default: $KASM_RECD_SOCKET, else {DEFAULT_SOCKET})",
        )
        script = argparse.ArgumentParser(add_help=False)
        script.add_argument("--json", action="store_true", help="for scripts: one JSON object")
        return cls(settings, socket, script)


def _config(text: str) -> Path | None:
    return Path(text) if text else None
