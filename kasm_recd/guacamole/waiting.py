"""Pixels whose drawing waits until somebody looks at them.

Most of what a recording draws is drawn over before it is ever seen: an image decoded at once is
mostly decoded in vain. So a :class:`Surface` keeps what is drawn on it in a list, and draws only
what can still be seen of it, once its pixels are asked for. A copy from another surface waits as
well: it notes what that one has waiting, and borrows the pixels beneath. A :class:`Loan` is the
promise that whoever changes those pixels copies them first.

Whatever order things are done in, the pixels are those of drawing everything at once: only OVER
waits, and nothing is left out but what later drawings cover with opaque pixels.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import numpy as np

from kasm_recd.guacamole.compositing import OVER, composite, opaque
from kasm_recd.guacamole.geometry import NOWHERE, Rect
from kasm_recd.guacamole.inks import Drawing, Held, Loan, Past

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from kasm_recd.guacamole.pixels import Words

#: So many drawings wait before a first look at which of them have been covered since.
_MANY: Final = 128
#: A copy of what so many drawings made, or of copies of copies so deep, waits no longer.
_HEAVY: Final = 1_024
_DEEP: Final = 16


class Surface:
    """Rows of pixels, and what waits to be drawn on them."""

    def __init__(self, held: Held) -> None:
        self._words: Words = np.zeros((0, 0), np.uint32)
        self._waiting: list[Drawing] = []
        self._many = _MANY
        self._loans: WeakSet[Loan] = WeakSet()
        self._solid = NOWHERE  # opaque all over
        self._held = held

    @property
    def area(self) -> Rect:
        """All of it."""
        rows, columns = self._words.shape
        return Rect(0, 0, columns, rows)

    @property
    def words(self) -> Words:
        """All of its pixels, to be read and changed until something else is done with it."""
        self.settle()
        self._keep_loans(self.area)
        self._solid = NOWHERE
        return self._words

    def look(self, part: Rect) -> Words:
        """The pixels of ``part``, to be read at once."""
        self.settle()
        return self._words[part.within]

    def is_opaque(self, part: Rect) -> bool:
        """Whether no pixel of ``part`` is translucent once all is drawn."""
        self.settle()
        return self._is_solid(part)

    def replace(self, words: Words) -> None:
        """Have other pixels from now on; nothing waits."""
        self._waiting = []
        self._keep_loans(self.area)
        self._solid = NOWHERE
        self._words = words

    def draw(self, drawing: Drawing) -> None:
        """Draw OVER what is there, some time; ``drawing.place`` lies on the surface."""
        self._held.check()
        waiting = self._waiting
        if not waiting:
            self._held.add(self)
        if drawing.ink.opaque:
            place = drawing.place
            while waiting and place.contains(waiting[-1].place):
                waiting.pop()
        waiting.append(drawing)
        if len(waiting) >= self._many:
            self._forget_covered()

    def past(self, part: Rect) -> Past | None:
        """What ``part`` looks like now; None where something shines through it."""
        past = self._past(part)
        if past.weight > _HEAVY or past.depth > _DEEP:
            self._flatten()
            past = self._past(part)
        if not self._is_solid(part) and not self._is_solid_below(past, part):
            return None
        self._loans.add(past.loan)
        return past

    def _past(self, part: Rect) -> Past:
        above = [drawing for drawing in self._waiting if drawing.place.meets(part)]
        return Past.of(Loan(self._words, part, self._held), above)

    def _flatten(self) -> None:
        """Let nothing wait but inks, and no more of them than can be seen."""
        self._waiting = _seen(self._waiting)[::-1]
        if len(self._waiting) > _HEAVY // 2:
            self.settle()

    def settle(self) -> None:
        """Draw what waits and can be seen."""
        if not self._waiting:
            return
        waiting, self._waiting, self._many = self._waiting, [], _MANY
        seen = _seen(waiting)
        self._keep_loans(reduce(Rect.joined, (drawing.place for drawing in seen), NOWHERE))
        for place, ink, x, y in reversed(seen):
            pixels = ink.pixels(place.moved(-x, -y))  # type: ignore[union-attr]
            if pixels is None:
                continue
            target = self._words[place.within]
            if ink.opaque:
                target[...] = pixels
            else:
                composite(target, pixels, OVER)

    def _is_solid(self, part: Rect) -> bool:
        if not self._solid.contains(part):
            if not opaque(self._words[part.within]):
                return False
            if part.area > self._solid.area:
                self._solid = part
        return True

    def _is_solid_below(self, past: Past, part: Rect) -> bool:
        """Whether the pixels of ``part`` are opaque where nothing opaque waits above them."""
        above = [drawing for drawing in past.drawings[1:] if drawing.ink.opaque]
        if not above:
            return False
        uncovered = _Uncovered([*above, past.drawings[0]])
        for drawing in above:
            uncovered.cover(drawing.place)
        below = self._words[part.within][uncovered.at(part)]
        return not below.size or opaque(below)

    def _keep_loans(self, changing: Rect) -> None:
        for loan in list(self._loans):
            if loan.part.meets(changing):
                self._loans.discard(loan)
                loan.keep()

    def _forget_covered(self) -> None:
        """Drop what is covered by now; where that is little, the list may grow."""
        uncovered = _Uncovered(self._waiting)
        kept = [drawing for drawing in reversed(self._waiting) if uncovered.take(drawing)]
        self._waiting = kept[::-1]
        weight = sum(d.ink.weight if isinstance(d.ink, Past) else 1 for d in kept)
        if weight > _HEAVY:
            self._flatten()
        self._many = max(_MANY, 2 * len(self._waiting))


class _Uncovered:
    """Where the drawings of a surface, taken from the last one backwards, can still be seen."""

    def __init__(self, drawings: Iterable[Drawing]) -> None:
        bounds = reduce(Rect.joined, (drawing.place for drawing in drawings))
        self._origin = bounds.left, bounds.top
        self._open = np.ones((bounds.height, bounds.width), np.bool_)

    def take(self, drawing: Drawing) -> bool:
        """Whether anything of ``drawing`` can be seen; it covers what comes after it."""
        if not self.sees(drawing.place):
            return False
        if drawing.ink.opaque:
            self.cover(drawing.place)
        return True

    def sees(self, place: Rect) -> bool:
        """Whether a pixel there is not covered."""
        return bool(self.at(place).any())

    def cover(self, place: Rect) -> None:
        """All pixels there are covered from now on."""
        self.at(place)[...] = False

    def at(self, place: Rect) -> NDArray[np.bool_]:
        """Which pixels there are not covered; a view."""
        left, top = self._origin
        return self._open[
            place.top - top : place.bottom - top, place.left - left : place.right - left
        ]


def _seen(drawings: list[Drawing]) -> list[Drawing]:
    """What can be seen of ``drawings``, the last one first, no past among them."""
    if len(drawings) == 1 and not isinstance(drawings[0].ink, Past):
        return drawings
    uncovered, seen = _Uncovered(drawings), list[Drawing]()
    _unfold(drawings, uncovered, seen)
    return seen


def _unfold(drawings: Sequence[Drawing], uncovered: _Uncovered, seen: list[Drawing]) -> None:
    for drawing in reversed(drawings):
        place, ink, x, y = drawing
        if not isinstance(ink, Past):
            if uncovered.take(drawing):
                seen.append(drawing)
        elif uncovered.sees(place):
            within = [
                Drawing(part, inner.ink, inner.x + x, inner.y + y)
                for inner in ink.drawings
                if not (part := inner.place.moved(x, y).cut_to(place)).empty
            ]
            _unfold(within, uncovered, seen)
