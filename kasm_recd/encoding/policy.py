"""How clips are made, and of which segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from kasm_recd.states import SegmentState

if TYPE_CHECKING:
    from kasm_recd.encoder import Picture
    from kasm_recd.segment import Segment

#: For a clip.
WAITING: Final = (SegmentState.SEALED, SegmentState.OWED)


@dataclass(frozen=True, slots=True)
class EncodePolicy:
    """How clips are made; ``encoder`` and ``raw_upload`` are the settings of that name."""

    encoder: Literal["auto", "native", "guacenc"]
    raw_upload: Literal["damaged", "always", "never"]
    picture: Picture
    attempts: int
    back_off_s: float = 5.0

    def keeps_raw(self, segment: Segment) -> bool:
        """Whether the segment itself goes up beside its clip."""
        if self.raw_upload == "damaged":
            return bool(segment.contents.damage)
        return self.raw_upload == "always"

    def hands_over(self, segment: Segment) -> bool:
        """Whether a first native attempt at ``segment`` is due or under way.

        It makes the preamble after the segment too. Later attempts do not: by then nothing waits.
        """
        at_work = segment.state in (SegmentState.SEALED, SegmentState.ENCODING)
        return at_work and self._is_first_native(segment) and not segment.contents.empty

    def reads_along(self, segment: Segment) -> bool:
        """Whether a first native attempt at ``segment`` is to find out what it holds on the way.

        A picture of the display's own size has to be known of before.
        """
        sized = self.picture.width > 0 and self.picture.height > 0
        return sized and self._is_first_native(segment) and not segment.contents.surveyed

    def _is_first_native(self, segment: Segment) -> bool:
        untried = segment.encode_attempts == 0 and not segment.cause
        return untried and self.encoder != "guacenc"
