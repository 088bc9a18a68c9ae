"""structlog to the journal: natively under systemd, as JSON lines elsewhere.

An event is a name (``clip.stored``) and its fields; prose is left to the reader. Every line carries
a ``message_id`` made from the event's name alone, so it stays the same over releases and machines.
:mod:`kasm_recd.events` lists them all.

Where stdout is the journal's, each event goes to it as fields of its own (``journalctl
KASM_ID=…``); where it is a terminal, as readable columns; else as one JSON object a line. Libraries
that use :mod:`logging` come out the same way. Nothing that happens to the stream raises into the
caller.

A second line of defence keeps secrets out: fields named like one are masked, and the values handed
to :func:`conceal` are blotted out of what is finished, tracebacks included. Tracebacks never show
local variables.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

from kasm_recd.log.describing import DESCRIBE
from kasm_recd.log.journald import SOCKET, Journald, is_journal
from kasm_recd.log.lines import Columns, Lines
from kasm_recd.log.secrets import REDACTED, conceal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

__all__ = ["REDACTED", "about", "conceal", "configure", "get_logger", "is_journal"]

_LIBRARY: Final = "library."
_before: Final[list[Journald]] = []


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger bound to the module it is used in."""
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def about(**fields: Any) -> AbstractContextManager[Any]:
    """Every line inside has these fields too, in tasks and threads that begin there as well."""
    return structlog.contextvars.bound_contextvars(**fields)


def configure(
    level: str = "info",
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    journal: Path = SOCKET,
) -> None:
    """Send every event of ``level`` and above to ``stream`` (stdout); may be called again.

    Where systemd says that ``stream``, or stderr, is the journal's, events go to its socket
    ``journal``, and to the stream, one JSON object a line behind its priority, for as long as that
    cannot be reached.
    """
    stream = sys.stdout if stream is None else stream
    outlet = _outlet(stream, environ, journal)
    root = logging.getLogger()
    root.handlers = [_Libraries(outlet.write)]
    root.setLevel(logging.WARNING)  # their debug lines show requests and headers
    logging.raiseExceptions = False
    structlog.configure(
        processors=[*DESCRIBE, _hand_over],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Ours(outlet.write),
        cache_logger_on_first_use=False,
    )
    while _before:  # a thread may still write to it: that line goes to the stream
        _before.pop().close()
    if isinstance(outlet, Journald):
        _before.append(outlet)


def _outlet(stream: TextIO, environ: Mapping[str, str], journal: Path) -> Lines | Journald:
    if stream.isatty():
        return Columns(stream)
    if is_journal(stream, environ) or is_journal(sys.stderr, environ):
        return Journald(journal, fallback=Lines(stream, prefixed=True).write)
    return Lines(stream)


def _hand_over(_logger: WrappedLogger, _method: str, event: EventDict) -> tuple[Any, Any]:
    return (event,), {}


class _Ours:
    """What structlog calls a logger: takes a described event at any level."""

    __slots__ = ("critical", "debug", "error", "info", "warning")

    def __init__(self, write: Callable[[EventDict], None]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = write

    def __call__(self, *_arguments: object) -> _Ours:
        return self


class _Libraries(logging.Handler):
    """A library's message is prose: it becomes a field, its logger's name the event."""

    def __init__(self, write: Callable[[EventDict], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = record.levelname.lower()
            event: Any = {"event": _LIBRARY + record.name, "message": record.getMessage()}
            if record.exc_info:
                event["exc_info"] = record.exc_info
            for describe in DESCRIBE:
                event = describe(None, level, event)
            self._write(event)
        except Exception:  # noqa: BLE001 - a library's odd arguments must not end its work
            self.handleError(record)
