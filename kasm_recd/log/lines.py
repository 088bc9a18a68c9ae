"""Events as lines of a stream: JSON for programs, columns for people."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Final, TextIO

import structlog

from kasm_recd.log.secrets import blotted

if TYPE_CHECKING:
    from structlog.typing import EventDict

#: Levels as journald's priorities (syslog's numbers).
PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
OTHER_PRIORITY: Final = 6
_FIRST: Final = ("timestamp", "level", "event")
#: ASCII: no line break, no escape gets out.
_encode: Final = json.JSONEncoder(default=str, check_circular=False).encode


class Lines:
    """One JSON object a line; ``prefixed`` puts ``<N>`` before it, the priority for a journal."""

    def __init__(self, stream: TextIO, *, prefixed: bool = False) -> None:
        self._stream = stream
        self._prefixed = prefixed
        self._lock = threading.Lock()

    def write(self, event: EventDict) -> None:
        """Writes one described event as one whole line; a stream that fails is passed over."""
        found = structlog.processors.format_exc_info(None, "", dict(event))
        # When, how bad and what: the eye finds them at the same place in every line.
        line = blotted(_encode({name: found.pop(name) for name in _FIRST} | dict(found)))
        if self._prefixed:
            line = f"<{PRIORITIES.get(event['level'], OTHER_PRIORITY)}>{line}"
        self._put(line)

    def _put(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):  # broken, full or closed
            self._stream.write(line + "\n")
            self._stream.flush()


class Columns(Lines):
    """For a terminal: readable, without ids and local variables."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._render = structlog.dev.ConsoleRenderer(
            exception_formatter=structlog.dev.plain_traceback
        )

    def write(self, event: EventDict) -> None:
        """As for lines."""
        shown = dict(event)
        # Ids are for programs; on a terminal they only push the fields off the screen.
        del shown["message_id"]
        self._put(blotted(self._render(None, "", shown)))
