"""When a live recording is cut: by the bytes that are in no segment, and by their age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.journal import Journal
    from kasm_recd.recording import Recording


@dataclass(frozen=True, slots=True)
class Rolling:
    """When a live recording is cut: at so many bytes, or (above 0) so many seconds."""

    size: int
    max_age_s: float = 0.0

    def is_due(self, uncut: int, age_s: float) -> bool:
        """Whether ``uncut`` bytes, the oldest of them ``age_s`` old, are a reason to cut."""
        return uncut >= self.size or (uncut > 0 and 0 < self.max_age_s <= age_s)


class Uncut:
    """Remembers how old the bytes are that are in no segment, and where no cut could be made."""

    def __init__(
        self, journal: Journal, rolling: Callable[[], Rolling], now: Callable[[], float]
    ) -> None:
        """``rolling`` is asked each time: on a full disk cuts are smaller."""
        self._journal = journal
        self._rolling = rolling
        self._now = now
        # By recording: how much of it was consumed, and since when more waits for a cut.
        self._since: dict[int, tuple[int, float]] = {}
        # By recording: its size, and how much was to be cut, when nothing could be.
        self._barren: dict[int, tuple[int, int]] = {}

    def is_due(self, recording: Recording, size: int) -> bool:
        """Whether a live recording that has grown to ``size`` is to be cut now."""
        if size <= recording.overwritten:
            return False  # its writer is somewhere in the middle of the file
        uncut = size - recording.consumed
        if uncut <= 0:
            self._since[recording.id] = (recording.consumed, self._now())
            return False
        rolling = self._rolling()
        barren_size, barren_limit = self._barren.get(recording.id, (-1, 0))
        if barren_size >= size and barren_limit <= rolling.size:
            return False
        known = self._since.get(recording.id)
        if known is None or known[0] != recording.consumed:
            known = (recording.consumed, self._oldest(recording, fresh=known is not None))
            self._since[recording.id] = known
        return rolling.is_due(uncut, self._now() - known[1])

    def could_not_be_cut(self, recording_id: int, size: int, most: int) -> None:
        """No cut was found in ``most`` bytes of a recording of ``size``; it is tried with more."""
        self._barren[recording_id] = (size, most)

    def forget(self, recording_id: int) -> None:
        """The recording will not be cut again."""
        self._since.pop(recording_id, None)
        self._barren.pop(recording_id, None)

    def _oldest(self, recording: Recording, *, fresh: bool) -> float:
        """When the oldest byte that is in no segment was written: not before the last cut."""
        if fresh:
            return self._now()
        before = self._journal.segment_ending(recording.id, recording.consumed)
        return before.sealed_at if before else recording.first_seen_at
