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

from operator import is_
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import numpy as np

from kasm_recd.guacamole.compositing import OVER, composite, opaque
from kasm_recd.guacamole.coverage import Uncovered, uncovered, unfolded
from kasm_recd.guacamole.geometry import NOWHERE, Rect, around
from kasm_recd.guacamole.inks import Drawing, Held, Loan, Past

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kasm_recd.guacamole.pixels import Words

#: So many drawings wait before a first look at which of them have been covered since.
_MANY: Final = 128
#: A copy of what so many drawings made, or of copies of copies so deep, waits no longer.
_HEAVY: Final = 1_024
_DEEP: Final = 16
#: Who has a copy of a surface hears that it is drawn, as long as they are so few: guacd has one.
_FEW: Final = 16


class Surface:
    """Rows of pixels, and what waits to be drawn on them."""

    def __init__(self, held: Held) -> None:
        self.area = NOWHERE  # all of it
        self._words: Words = np.zeros((0, 0), np.uint32)
        self._waiting: list[Drawing] = []
        self._many = _MANY
        self._loans: WeakSet[Loan] = WeakSet()  # whose pixels are its own
        self._pasts: WeakSet[Past] = WeakSet()  # that others have of it
        self._solid = NOWHERE  # opaque all over
        self._held = held

    @property
    def words(self) -> Words:
        """All of its pixels, to be read and changed until something else is done with it."""
        self.settle()
        self._keep_all()
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
        self._keep_all()
        self._solid = NOWHERE
        self._words = words
        self.area = Rect(0, 0, words.shape[1], words.shape[0])

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
            if waiting and isinstance(waiting[-1].ink, Past):
                waiting[-1] = _narrowed(waiting[-1], waiting[-1].ink, place)
        waiting.append(drawing)
        if len(waiting) >= self._many:
            self._forget_covered()

    def past(self, part: Rect) -> Past | None:
        """What ``part`` looks like now; None where something shines through it."""
        past = self._past(part, self._waiting)
        if past.weight > _HEAVY or past.depth > _DEEP:
            self._flatten()
            past = self._past(part, self._waiting)
        if not self._is_solid(part) and not self._is_solid_below(past, part):
            return None
        return past

    def narrowed(self, past: Past, part: Rect) -> Past:
        """A ``past`` of this surface, or ``part`` of it, which then lends no more than that."""
        if past not in self._pasts or len(past.drawings) > _MANY:
            return past  # what was lent is copied, or about to be; or it would take too long
        return self._past(part, past.drawings[1:])

    def _past(self, part: Rect, waiting: Sequence[Drawing]) -> Past:
        """``part`` of the pixels as they are, under what was ``waiting``."""
        loan = Loan(self._words, part, self._held)
        past = Past(self, loan, [drawing for drawing in waiting if drawing.place.meets(part)])
        self._loans.add(loan)
        self._pasts.add(past)
        return past

    def _flatten(self) -> None:
        """Let nothing wait but inks, and no more of them than can be seen."""
        self._waiting = uncovered(unfolded(self._waiting))
        if len(self._waiting) > _HEAVY // 2:
            self.settle()

    def settle(self) -> None:
        """Draw what waits and can be seen."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        seen = unfolded(waiting)
        changing = around(drawing.place for drawing in seen)
        lent = self._lent_anew(waiting)
        del waiting  # with what was lent to it alone
        self._keep_own(seen, changing)
        self._keep_loans(changing)
        self._loans.update(lent)
        words = self._words
        for place, ink, x, y in seen:
            pixels = ink.pixels(place.moved(-x, -y))  # type: ignore[union-attr]
            if pixels is None:
                continue
            left, top, right, bottom = place
            if ink.opaque:
                words[top:bottom, left:right] = pixels
            else:
                composite(words[top:bottom, left:right], pixels, OVER)

    def _lent_anew(self, waiting: list[Drawing]) -> list[Loan]:
        """Loans to those who know what was here until ``waiting`` came: its look once all is drawn.

        So nothing has to be copied for them, and nothing drawn again. What they had before is
        theirs no more.
        """
        loans = []
        pasts, self._pasts = list(self._pasts), WeakSet()
        for past in pasts if len(pasts) <= _FEW else ():
            above = [drawing for drawing in waiting if drawing.place.meets(past.part)]
            if len(past.drawings) == 1 + len(above) and all(map(is_, past.drawings[1:], above)):
                loans.append(Loan(self._words, past.part, self._held))
                past.drawn(loans[-1])
                self._pasts.add(past)
        return loans

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
        left = Uncovered([part, *(drawing.place for drawing in above)])
        for drawing in above:
            left.cover(drawing.place)
        below = self._words[part.within][left.at(part)]
        return not below.size or opaque(below)

    def _keep_own(self, drawings: list[Drawing], changing: Rect) -> None:
        """Copy what ``drawings`` need of the pixels in ``changing``, and no more than that."""
        for index, (place, ink, x, y) in enumerate(drawings):
            if isinstance(ink, Loan) and ink in self._loans:
                part = place.moved(-x, -y)
                if part.meets(changing):
                    own = Loan(self._words, part, self._held)
                    own.keep()
                    drawings[index] = Drawing(place, own, x, y)

    def _keep_all(self) -> None:
        """Copy all that is lent, as any pixel may change."""
        self._pasts.clear()
        self._keep_loans(self.area)

    def _keep_loans(self, changing: Rect) -> None:
        """Copy what is lent, as pixels in ``changing`` are about to change."""
        for loan in list(self._loans):
            if loan.part.meets(changing):
                self._loans.discard(loan)
                loan.keep()

    def _forget_covered(self) -> None:
        """Drop what is covered by now; where that is little, the list may grow."""
        self._waiting = kept = uncovered(self._waiting)
        weight = sum(d.ink.weight if isinstance(d.ink, Past) else 1 for d in kept)
        if weight > _HEAVY:
            self._flatten()
        self._many = max(_MANY, 2 * len(self._waiting))


def _narrowed(below: Drawing, past: Past, above: Rect) -> Drawing:
    """``below``, a drawing of ``past``, without what something opaque on ``above`` covers of it."""
    place, _, x, y = below
    left = place.without(above)
    if left == place:
        return below
    return Drawing(left, past.surface.narrowed(past, left.moved(-x, -y)), x, y)
