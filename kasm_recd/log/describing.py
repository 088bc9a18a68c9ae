"""What every event says, ours and the libraries': when, how bad, what kind, and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import structlog

from kasm_recd.errors import IllegalMove, RecdError
from kasm_recd.events import message_id
from kasm_recd.log.secrets import masked

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger


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
    return {name: masked(name, value) for name, value in event.items()}


DESCRIBE: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_message_id,
    _explain_error,
    _redact,
)
