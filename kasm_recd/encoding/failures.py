"""What is said of a failure on the way to a clip, and when the segment is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kasm_recd import disk, metrics
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.encoding.policy import EncodePolicy
    from kasm_recd.errors import RecdError, Retried
    from kasm_recd.segment import Segment

log = get_logger(__name__)


class Failures:
    """Gives what the journal is to know of a segment after one; a full disk is not its fault."""

    def __init__(
        self, *, policy: EncodePolicy, on_full: Callable[[], None], now: Callable[[], float]
    ) -> None:
        self._policy = policy
        self._on_full = on_full
        self._now = now

    def of_attempt(self, segment: Segment, error: RecdError | OSError) -> dict[str, Any]:
        """An attempt at its clip, or at reading it, has failed."""
        attempts = segment.encode_attempts + (0 if disk.says_full(error) else 1)
        wait = self._policy.back_off_s * 4 ** max(0, attempts - 1)
        if attempts >= self._policy.attempts:
            wait = 0  # nothing is tried again: it goes up raw
        metrics.count("kasm_recd_encodes_total", outcome="failed")
        self._tell(segment, error, attempts)
        return {
            "encode_attempts": attempts,
            "cause": str(error),
            "next_attempt_at": self._now() + wait,
        }

    def of_reading_along(self, segment: Segment, error: Retried | OSError) -> dict[str, Any]:
        """A first native encode that was to survey it too: the survey comes first from now on.

        That costs no attempt: no other encoder has been asked yet. A full disk is told as ever.
        """
        if disk.says_full(error):
            return self.of_attempt(segment, error)
        log.warning("encoder.failed", encoder="native", error=str(error))
        return {"cause": str(error) or "native failed", "next_attempt_at": self._now()}

    def of_writing(self, segment: Segment, error: OSError) -> dict[str, Any]:
        """The small files beside its body could not be written; it is as it was."""
        self._tell(segment, error, segment.encode_attempts)
        return {"next_attempt_at": self._now() + self._policy.back_off_s}

    def _tell(self, segment: Segment, error: RecdError | OSError, attempts: int) -> None:
        full = disk.says_full(error)
        if full:
            self._on_full()
        log.warning(
            "segment.encode_failed",
            error=str(error),
            hint=getattr(error, "hint", ""),
            attempts=attempts,
            disk_full=full,
            **segment.log_context(),
        )
