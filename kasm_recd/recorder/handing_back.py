"""The disk of what is cut of a live recording, given back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kasm_recd import disk
from kasm_recd.errors import Retried
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.recording import Recording

log = get_logger(__name__)


class HandBack:
    """Makes holes; what cannot be had is said once a kind of failure."""

    def __init__(self, *, expect_own_close: Callable[[Path], None]) -> None:
        self._expect_own_close = expect_own_close
        self._pins: set[int | None] = set()  # error numbers of holes that could not be made

    def punch(self, recording: Recording) -> None:
        """Gives what is cut of a recording back to its disk; for a thread."""
        path = Path(recording.path)
        try:
            disk.punch(
                recording,
                0,
                recording.consumed,
                before_close=lambda: self._expect_own_close(path),
                helper=disk.PUNCH_SOCKET,
            )
        except Retried as error:
            log.warning("recording.changed", error=str(error), **recording.log_context())
        except OSError as error:
            if error.errno not in self._pins:
                self._pins.add(error.errno)
                log.warning(
                    "recording.pinned",
                    error=str(error),
                    hint="It is cut all the same, but its disk comes back only when the session "
                    "ends. The daemon needs write access to guacd's files or the helper "
                    "(kasm-recd-punch.socket), and a file system that can punch holes.",
                    **recording.log_context(),
                )
