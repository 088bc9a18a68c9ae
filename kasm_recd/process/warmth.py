"""By which fork server workers are started now, if by one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kasm_recd.process.forking import ForkServer

if TYPE_CHECKING:
    from collections.abc import Iterator

_serving: ForkServer | None = None


def serving() -> ForkServer | None:
    """The fork server that workers are started by now, if there is one."""
    return _serving


@contextlib.contextmanager
def kept_warm(server: ForkServer | None = None) -> Iterator[ForkServer]:
    """Meanwhile workers are forked where they can be."""
    global _serving  # noqa: PLW0603 - one daemon, one event loop, one server
    before, _serving = _serving, server or ForkServer()
    server = _serving
    try:
        yield server
    finally:
        server.close()
        _serving = before
