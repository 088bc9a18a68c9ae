"""When something happened in a clip: second by second, how much changed and how much was typed.

Keys are counted, and no more: which ones they were is never kept. A key or a move counts at its own
timestamp, but never outside of the two ``sync`` around it; without a timestamp at the later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kasm_recd.guacamole.geometry import Rect
    from kasm_recd.guacamole.instructions import Instruction
    from kasm_recd.workers.frames import Clock

FORMAT: Final = 1
#: The picture is looked at in squares of so many pixels a side.
BLOCK: Final = 16
#: Seconds beyond are not told of: two days.
MOST_SECONDS: Final = 2 * 86_400
#: Inputs between two ``sync``; more are not told of.
MOST_HELD: Final = 100_000
#: The bits of a button mask that are buttons; the others are turns of the wheel.
_BUTTONS: Final = 0b00111
_MAX_DIGITS: Final = 16
COUNTS: Final = ("keys", "moves", "clicks")


class Activity:
    """Listens to the instructions of a clip, and looks at its frames.

    What is before byte ``counted_from`` of the stream, the preamble, is no activity.
    """

    def __init__(self, clock: Clock, *, counted_from: int = 0) -> None:
        self._clock = clock
        self._counted_from = counted_from
        self._held: list[tuple[str, int | None]] = []  # what, and its timestamp
        self._last_sync: int | None = None
        self._position: tuple[int, int] | None = None
        self._mask = 0
        self._counts: dict[int, dict[str, int]] = {}
        self._changed: dict[int, float] = {}
        self._blocks = np.zeros((0, 0), np.bool_)
        self._second = -1

    def hear(self, instruction: Instruction) -> None:
        """``instruction`` has gone by; the clock knows of it if it is a ``sync``."""
        args = [_number(arg) for arg in instruction.args[:4]]
        match instruction.opcode, args:
            case "sync", [int(timestamp), *_]:
                self._settle(timestamp)
            case "key", [_, pressed, *rest]:
                if pressed == 1:
                    self._note("keys", instruction, rest)
            case "mouse", [int(x), int(y), *rest]:
                self._hear_mouse(instruction, (x, y), rest)

    def show(self, changed: Iterable[Rect], size: tuple[int, int], moment: int) -> None:
        """A frame of ``size`` (rows, columns), which differs in ``changed``, at ``moment`` (ms)."""
        second = moment // 1000
        grid = (-(-size[0] // BLOCK), -(-size[1] // BLOCK))
        if second != self._second or grid != self._blocks.shape:
            self._second, self._blocks = second, np.zeros(grid, np.bool_)
        for rect in changed:
            left, top, right, bottom = rect.left, rect.top, rect.right, rect.bottom
            rows = slice(top // BLOCK, -(-bottom // BLOCK))
            self._blocks[rows, left // BLOCK : -(-right // BLOCK)] = True
        share = float(np.count_nonzero(self._blocks)) / max(1, self._blocks.size)
        if share and second < MOST_SECONDS:
            self._changed[second] = max(share, self._changed.get(second, 0.0))

    def told(self, duration_ms: int) -> dict[str, Any]:
        """What is kept: columns with an entry for each second in which anything happened."""
        seconds = sorted(self._counts.keys() | self._changed.keys())
        nothing = dict.fromkeys(COUNTS, 0)
        counted = [self._counts.get(second, nothing) for second in seconds]
        return {
            "format": FORMAT,
            "duration_ms": duration_ms,
            "second": seconds,
            "changed": [round(self._changed.get(second, 0.0), 4) for second in seconds],
            **{what: [counts[what] for counts in counted] for what in COUNTS},
        }

    def _hear_mouse(
        self, instruction: Instruction, position: tuple[int, int], rest: list[int | None]
    ) -> None:
        mask = (rest[0] if rest else 0) or 0
        pressed = mask & ~self._mask & _BUTTONS
        moved = position != self._position
        self._position, self._mask = position, mask
        if moved:
            self._note("moves", instruction, rest[1:])
        for _ in range(pressed.bit_count()):
            self._note("clicks", instruction, rest[1:])

    def _note(self, what: str, instruction: Instruction, rest: list[int | None]) -> None:
        if instruction.start >= self._counted_from and len(self._held) < MOST_HELD:
            self._held.append((what, rest[0] if rest else None))

    def _settle(self, now: int) -> None:
        """What was held happened up to the ``sync`` at ``now``."""
        before = now if self._last_sync is None else min(self._last_sync, now)
        self._last_sync = now
        for what, timestamp in self._held:
            at = now if timestamp is None else min(max(timestamp, before), now)
            second = max(0, self._clock.elapsed - (now - at)) // 1000
            if second < MOST_SECONDS:
                counts = self._counts.setdefault(second, dict.fromkeys(COUNTS, 0))
                counts[what] += 1
        self._held.clear()


def _number(text: bytes) -> int | None:
    """A whole number, or None for what is none."""
    plausible = text.removeprefix(b"-").isdigit() and len(text) <= _MAX_DIGITS
    return int(text) if plausible else None
