"""structlog to journald: one JSON object a line on stdout, with journald's priorities.

An event is a name (``clip.stored``) and its fields; prose is left to the reader. Every line carries
a ``message_id`` made from the event's name alone, so it stays the same over releases and machines.

Libraries that use :mod:`logging` come out the same way. Everything goes through one handler: it
writes whole lines, and a broken pipe or a full disk under stdout never raises into the caller.

A second line of defence keeps secrets out: fields named like one are masked, and the values handed
to :func:`conceal` are blotted out of the finished line, tracebacks included. Tracebacks never show
local variables.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

from kasm_recd.errors import IllegalMove, RecdError
from kasm_recd.events import message_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED: Final = "[redacted]"
SHORTEST_SECRET: Final = 4  # blotting out a shorter value would make lines unreadable

_SECRET_NAME: Final = re.compile(
    r"secret|passw|credential|authorization|signature|storage_key$|access_key|"
    r"(?:api|auth|session|security)_?token",
    re.IGNORECASE,
)
#: logging's levels to journald's priorities (syslog's numbers).
_PRIORITIES: Final = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}
_concealed: set[str] = set()


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger bound to the module it is used in."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(module=name)
    return logger


def configure(
    level: str = "info",
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Send every event of ``level`` and above to ``stream`` (stdout); may be called again.

    JSON, with ``<N>`` before each line where the stream is the journal; readable columns where it
    is a terminal.
    """
    stream = sys.stdout if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_LineFormatter(stream, environ))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)  # libraries: their debug lines show requests and headers
    logging.getLogger("kasm_recd").setLevel(level.upper())
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_DESCRIBE,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=lambda *_args: logging.getLogger("kasm_recd"),
        cache_logger_on_first_use=False,
    )


def conceal(*secrets: str) -> None:
    """Blot these values out of every line from now on, wherever they stand."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            _concealed.update({secret, json.dumps(secret)[1:-1]})


def is_journal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether ``stream`` is journald's own socket, by systemd's ``$JOURNAL_STREAM``."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _LineFormatter(structlog.stdlib.ProcessorFormatter):
    """One record, one line: rendered, blotted, with the journal's priority in front."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        readable = stream.isatty()
        super().__init__(
            foreign_pre_chain=[
                structlog.stdlib.PositionalArgumentsFormatter(),
                _foreign_event,
                *_DESCRIBE,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_COLUMNS if readable else _JSON),
            ],
        )
        self._prefixed = is_journal(stream, environ)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in tuple(_concealed):
            line = line.replace(secret, REDACTED)
        if self._prefixed:
            line = f"<{_PRIORITIES.get(record.levelno, 6)}>{line}"
        return line


def _foreign_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A library's message is prose: it becomes a field, its logger's name the event."""
    record: logging.LogRecord = event["_record"]
    event["message"] = event["event"]
    event["event"] = f"library.{record.name}"
    return event


def _add_message_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["message_id"] = message_id(str(event["event"]))
    return event


def _explain_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Our own errors say what and where and what to do: no traceback beside that.

    An IllegalMove, and whatever is not ours, is a mistake in a program and keeps its traceback.
    """
    error = event.get("exc_info")
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, RecdError):
        event.setdefault("error", str(error))
        event.setdefault("error_class", type(error).__name__)
        if error.hint:
            event.setdefault("hint", error.hint)
        if not isinstance(error, IllegalMove):
            del event["exc_info"]
    return event


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: _masked(name, value) for name, value in event.items()}


def _put_first(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """When, how bad and what: the eye finds them at the same place in every line."""
    return {name: event.pop(name) for name in ("timestamp", "level", "event")} | dict(event)


def _without_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Ids are for programs; on a terminal they only push the fields off the screen."""
    del event["message_id"]
    return event


def _masked(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name):
        return REDACTED
    if isinstance(value, dict):
        return {str(key): _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner) for inner in value]
    return value


#: What every line says, ours and the libraries'.
_DESCRIBE: Final[tuple[Processor, ...]] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_message_id,
    _explain_error,
    _redact,
)
_JSON: Final[tuple[Processor, ...]] = (
    structlog.processors.format_exc_info,
    _put_first,
    structlog.processors.JSONRenderer(default=str),  # ASCII: no line break, no escape gets out
)
_COLUMNS: Final[tuple[Processor, ...]] = (
    _without_ids,
    structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
)
