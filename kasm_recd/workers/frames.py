"""When a picture is due: guacd's ``sync`` timestamps to the few moments that a clip has frames at.

A frame is due where the picture changed, at most ``framerate`` times a second. What is shown at a
moment is the state of the last ``sync`` up to then, as in the player; a state that is overtaken
within one frame interval is never painted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from kasm_recd.guacamole.display import UNSEEN
from kasm_recd.guacamole.opcodes import OPCODES
from kasm_recd.guacamole.timeline import follows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kasm_recd.guacamole.display import Display
    from kasm_recd.guacamole.instructions import Instruction

#: Instructions between two syncs are kept until the second one tells the time; beyond so many they
#: are drawn without knowing it. guacd writes up to 4.3 MB between two.
HELD_BYTES: Final = 16_000_000
HELD_INSTRUCTIONS: Final = 50_000
#: What leaves every layer and every buffer as they are.
_DRAWING_NOTHING: Final = UNSEEN | {"mouse"}


class Clock:
    """Milliseconds since the first ``sync``: never falling, and never beyond ``end_timestamp``.

    A timestamp that would leave these bounds is not believed, and the time stays what it was.
    """

    def __init__(self, end_timestamp: int) -> None:
        self.elapsed = 0
        self._first: int | None = None
        self._end_timestamp = end_timestamp
        self._alone = True  # no second timestamp has confirmed the first one

    @property
    def end(self) -> int:
        """The clip's length as far as it is known."""
        return 0 if self._first is None else max(0, self._end_timestamp - self._first)

    def tick(self, timestamp: int) -> int:
        """The time at a ``sync``."""
        if self._first is None or (self._alone and not follows(timestamp, self._first)):
            self._alone = self._first is None
            self._first = timestamp
        else:
            self._alone = False
        if timestamp <= self._end_timestamp:
            self.elapsed = max(self.elapsed, timestamp - self._first)
        return self.elapsed


class Schedule:
    """Feeds ``display`` and says when what it shows has to become a frame."""

    def __init__(self, display: Display, clock: Clock, *, framerate: float) -> None:
        self._display = display
        self._clock = clock
        self._interval = 1000 / framerate
        self._shown = -1  # version of the display in the last frame
        self._last = -1  # moment of the last frame
        self._due: int | None = None  # moment of the next frame, if anything is to be shown
        self._held: list[Instruction] = []  # since the last sync

    def frames(self, instructions: Iterable[Instruction]) -> Iterator[int]:
        """The rising moments (ms) of the clip's frames; take each picture before asking on.

        The last state is shown even where the end comes before it would be due. What follows the
        last ``sync`` is never shown.
        """
        held, began = self._held, 0
        for instruction in instructions:
            held.append(instruction)
            if instruction.opcode == "sync":
                now = self._clock.tick(int(instruction.args[0]))
                yield from self._overtaken_by(now)
            elif instruction.end - began > HELD_BYTES or len(held) >= HELD_INSTRUCTIONS:
                now = self._clock.elapsed
                yield from self._overtaken_by(now + 1)
            else:
                continue
            self._draw(held, now)
            held.clear()
            began = instruction.end
        if self._due is not None:
            yield self._show(max(self._last + 1, min(self._due, self._clock.end)))

    def draw_the_rest(self) -> None:
        """Bring the display to the end, past the last ``sync``; no frame shows that."""
        for instruction in self._held:
            self._display.apply(instruction)
        self._held.clear()

    def _draw(self, held: list[Instruction], now: int) -> None:
        for instruction in held:
            self._display.apply(instruction)
        if self._due is None and self._display.version != self._shown:
            earliest = 0 if self._last < 0 else math.ceil(self._last + self._interval)
            self._due = max(now, earliest)

    def _overtaken_by(self, now: int) -> Iterator[int]:
        if self._due is not None and self._due < now:
            yield self._show(self._due)

    def _draw_unseen(self) -> None:
        """Before a frame, do what comes next and is not seen: copies to buffers.

        guacd begins each frame by copying the last one to a buffer. Once that shows what is seen
        now, nothing has to be kept of what was seen before.
        """
        early, others = [], []
        for instruction in self._held:
            if _is_to_buffer(instruction):
                early.append(instruction)
            elif instruction.opcode in _DRAWING_NOTHING:
                others.append(instruction)
            else:
                break
        self._held[: len(early) + len(others)] = others
        for instruction in early:
            self._display.apply(instruction)

    def _show(self, moment: int) -> int:
        self._draw_unseen()
        self._shown, self._last, self._due = self._display.version, moment, None
        return moment


def _is_to_buffer(instruction: Instruction) -> bool:
    """Whether it is a copy to a buffer, which is never seen itself."""
    if instruction.opcode != "copy" or len(instruction.args) < OPCODES["copy"]:
        return False
    target = instruction.args[6]
    return target.startswith(b"-") and bool(target.strip(b"-0"))
