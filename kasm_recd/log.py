"""structlog to journald: one JSON object a line on stdout, with journald priorities."""

from __future__ import annotations

import structlog


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger bound to the module it is used in."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(module=name)
    return logger
