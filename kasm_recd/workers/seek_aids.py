"""What a viewer finds its way in a clip by, made while the clip is: sprites and activity."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from kasm_recd.workers.activity import Activity
from kasm_recd.workers.sprites import SHEET_NAME, Sprites

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kasm_recd.guacamole.geometry import Rect
    from kasm_recd.guacamole.instructions import Instruction
    from kasm_recd.guacamole.pixels import Words
    from kasm_recd.workers.frames import Clock
    from kasm_recd.workers.video import Clip

INDEX_NAME: Final = "sprites.vtt"
ACTIVITY_NAME: Final = "activity.json"
#: What :meth:`SeekAids.hear` wants to hear of.
HEARD: Final = frozenset(("sync", "key", "mouse"))


class SeekAids:
    """Goes with a clip from its first frame to its last."""

    def __init__(self, clip: Clip, clock: Clock, *, counted_from: int) -> None:
        self._clip, self._clock = clip, clock
        self._sprites = Sprites()
        self._activity = Activity(clock, counted_from=counted_from)

    def hear(self, instruction: Instruction) -> None:
        """``instruction``, one of HEARD, has gone by."""
        self._activity.hear(instruction)

    def show(self, picture: Words, changed: Iterable[Rect], moment: int) -> None:
        """As the clip's own ``show``, and right before it: the frame is still that of before."""
        self._seen(until=moment)
        rows, columns = picture.shape
        self._activity.show(changed, (rows, columns), moment)
        self._sprites.renew()

    def write(self, folder: Path) -> None:
        """The three files, after the clip's last frame; raises OSError and FFmpegError."""
        end = self._clock.end
        self._seen(until=end + 1)
        (folder / SHEET_NAME).write_bytes(self._sprites.sheet())
        (folder / INDEX_NAME).write_text(self._sprites.index(end))
        told = json.dumps(self._activity.told(end), separators=(",", ":"))
        (folder / ACTIVITY_NAME).write_text(told + "\n")

    def _seen(self, *, until: int) -> None:
        if self._clip.frames:
            self._sprites.seen(self._clip.shown, until=until, duration_ms=self._clock.end)
