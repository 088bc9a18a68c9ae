"""Which of the drawings that wait on a surface can still be seen, and so have to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from kasm_recd.guacamole.geometry import around
from kasm_recd.guacamole.inks import Colour, Drawing, Past

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from kasm_recd.guacamole.geometry import Rect

#: To fill so many pixels with a colour takes no longer than to find out whether they are seen.
_SMALL: Final = 1 << 13


class Uncovered:
    """Where the drawings of a surface, taken from the last one backwards, can still be seen."""

    def __init__(self, places: Iterable[Rect]) -> None:
        bounds = around(places)
        self._left, self._top = bounds.left, bounds.top
        self._open = np.ones((bounds.height, bounds.width), np.bool_)

    def take(self, drawing: Drawing) -> bool:
        """Whether anything of ``drawing`` can be seen; it covers what comes after it."""
        view = self.at(drawing.place)
        if not np.count_nonzero(view):
            return False
        if drawing.ink.opaque:
            view.fill(False)  # noqa: FBT003 - the value
        return True

    def sees(self, place: Rect) -> bool:
        """Whether a pixel there is not covered."""
        return bool(np.count_nonzero(self.at(place)))

    def cover(self, place: Rect) -> None:
        """All pixels there are covered from now on."""
        self.at(place).fill(False)  # noqa: FBT003 - the value

    def at(self, place: Rect) -> NDArray[np.bool_]:
        """Which pixels there are not covered; a view."""
        left, top, right, bottom = place
        x, y = self._left, self._top
        return self._open[top - y : bottom - y, left - x : right - x]


def uncovered(drawings: Sequence[Drawing]) -> list[Drawing]:
    """Those of ``drawings`` of which anything can be seen."""
    left = Uncovered(drawing.place for drawing in drawings)
    return [drawing for drawing in reversed(drawings) if left.take(drawing)][::-1]


def unfolded(drawings: list[Drawing]) -> list[Drawing]:
    """What shows what can be seen of ``drawings``, no past among it."""
    colours = 0
    for drawing in drawings:
        if not _is_small_colour(drawing):
            break
        colours += 1
    above = drawings[colours:]
    if not above or (len(above) == 1 and not isinstance(above[0].ink, Past)):
        return drawings
    found: list[Drawing] = []
    _unfold(above, Uncovered(drawing.place for drawing in above), found)
    return drawings[:colours] + found[::-1]


def _is_small_colour(drawing: Drawing) -> bool:
    left, top, right, bottom = drawing.place
    return isinstance(drawing.ink, Colour) and (right - left) * (bottom - top) <= _SMALL


def _unfold(drawings: Sequence[Drawing], left: Uncovered, found: list[Drawing]) -> None:
    """Add what can be seen to ``found``, the last one first."""
    for drawing in reversed(drawings):
        place, ink, x, y = drawing
        if _is_small_colour(drawing):
            found.append(drawing)
            if ink.opaque:
                left.cover(place)
        elif not isinstance(ink, Past):
            if left.take(drawing):
                found.append(drawing)
        elif left.sees(place):
            _unfold(_seen_through(place, ink.drawings, x, y), left, found)


def _seen_through(place: Rect, drawings: Iterable[Drawing], x: int, y: int) -> list[Drawing]:
    """Those of ``drawings``, moved by (``x``, ``y``), of which something lies in ``place``.

    A small copy of a large surface shows few of them, so no rectangle is made for the others.
    """
    left, top, right, bottom = place.moved(-x, -y)
    found = []
    for drawing in drawings:
        at = drawing.place
        if at[0] < right and left < at[2] and at[1] < bottom and top < at[3]:
            part = at.moved(x, y).cut_to(place)
            found.append(Drawing(part, drawing.ink, drawing.x + x, drawing.y + y))
    return found
