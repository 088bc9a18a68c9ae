"""Rectangles and small sets of them, in whole pixels; the origin is the upper left corner."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Rect(NamedTuple):
    """Pixels ``left`` <= x < ``right`` and ``top`` <= y < ``bottom``; others are empty."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def sized(cls, x: int, y: int, width: int, height: int) -> Rect:
        """The rectangle with its corner at (x, y)."""
        return cls(x, y, x + width, y + height)

    @property
    def empty(self) -> bool:
        """Not a single pixel lies inside."""
        return self.right <= self.left or self.bottom <= self.top

    @property
    def width(self) -> int:
        """Columns inside."""
        return max(0, self.right - self.left)

    @property
    def height(self) -> int:
        """Rows inside."""
        return max(0, self.bottom - self.top)

    @property
    def area(self) -> int:
        """Pixels inside."""
        return self.width * self.height

    @property
    def within(self) -> tuple[slice, slice]:
        """Index of these pixels in an array of rows."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def contains(self, other: Rect) -> bool:
        """``other``, which is not empty, lies inside."""
        left, top, right, bottom = other
        return self[0] <= left and self[1] <= top and self[2] >= right and self[3] >= bottom

    def meets(self, other: Rect) -> bool:
        """Both, not empty, have a pixel in common."""
        left, top, right, bottom = other
        return self[0] < right and left < self[2] and self[1] < bottom and top < self[3]

    def moved(self, x: int, y: int) -> Rect:
        """The same rectangle, ``x`` to the right and ``y`` down."""
        if not (x or y):
            return self
        left, top, right, bottom = self
        return Rect(left + x, top + y, right + x, bottom + y)

    def cut_to(self, other: Rect) -> Rect:
        """What lies in both; may be empty."""
        if other.contains(self):
            return self
        left, top, right, bottom = other
        return Rect(
            max(self[0], left), max(self[1], top), min(self[2], right), min(self[3], bottom)
        )

    def ended_by(self, other: Rect) -> Rect:
        """What does not lie beyond the right and lower edges of ``other``; may be empty."""
        return self._replace(
            right=min(self.right, other.right), bottom=min(self.bottom, other.bottom)
        )

    def without(self, other: Rect) -> Rect:
        """The smallest rectangle around what does not lie in ``other`` as well."""
        left, top, right, bottom = self
        if other[0] <= left and right <= other[2]:
            top = other[3] if other[1] <= top < other[3] else top
            bottom = other[1] if other[1] < bottom <= other[3] else bottom
        elif other[1] <= top and bottom <= other[3]:
            left = other[2] if other[0] <= left < other[2] else left
            right = other[0] if other[0] < right <= other[2] else right
        return Rect(left, top, right, bottom)

    def joined(self, other: Rect) -> Rect:
        """The smallest rectangle around both."""
        if self.empty:
            return other
        if other.empty:
            return self
        return Rect(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


NOWHERE: Final = Rect(0, 0, 0, 0)


def around(rects: Iterable[Rect]) -> Rect:
    """The smallest rectangle around all of ``rects``: one or more, none of them empty."""
    lefts, tops, rights, bottoms = zip(*rects, strict=True)
    return Rect(min(lefts), min(tops), max(rights), max(bottoms))


#: A region is given out as at most so many rectangles.
_PIECES: Final = 16
#: Side of a grid's cell, in pixels.
_CELL: Final = 32
#: So many rectangles are kept as they were added.
_KEPT: Final = 512


class Region:
    """A superset of the rectangles that were added, as a few that hardly overlap.

    Adding is cheap, as it happens with every drawing; they are put together when they are taken.
    A few are joined where they nearly touch: some pixels too many cost less than one more piece.
    Many are drawn on a coarse grid, and that is read in rectangles.
    """

    def __init__(self) -> None:
        self._rects: list[Rect] = []

    def add(self, rect: Rect) -> None:
        """Include ``rect``, which lies right of and below (0, 0)."""
        if rect.empty:
            return
        self._rects.append(rect)
        if len(self._rects) >= _KEPT:
            self._rects = _on_grid(self._rects)

    def take(self) -> list[Rect]:
        """The rectangles; the region is empty afterwards."""
        rects, self._rects = self._rects, []
        return _joined(rects) if len(rects) <= _PIECES else _on_grid(rects)


def _joined(rects: list[Rect]) -> list[Rect]:
    """Those that nearly touch as one."""
    kept: list[Rect] = []
    for rect in rects:
        whole, apart = rect, []
        for other in kept:
            both = whole.joined(other)
            if both.area * 4 <= (whole.area + other.area) * 5:
                whole = both
            else:
                apart.append(other)
        kept = [*apart, whole]
    return kept


def _on_grid(rects: list[Rect]) -> list[Rect]:
    """At most :data:`_PIECES` rectangles of whole cells, which lie in the bounds of ``rects``."""
    bounds = around(rects)
    rows = [0] * -(-bounds.bottom // _CELL)  # the cells of a row as the bits of a number
    for left, top, right, bottom in rects:
        begin, end = left // _CELL, -(-right // _CELL)
        cells = (1 << end) - (1 << begin)
        for row in range(top // _CELL, -(-bottom // _CELL)):
            rows[row] |= cells
    pieces: list[Rect] = []
    top = 0
    for cells, same in groupby(rows):
        bottom = top + len(list(same))
        for begin, end in _runs(cells):
            pieces.append(Rect(*(at * _CELL for at in (begin, top, end, bottom))).cut_to(bounds))
        if len(pieces) > _PIECES:
            return [bounds]
        top = bottom
    return pieces


def _runs(bits: int) -> Iterator[tuple[int, int]]:
    """Where the ones of a number begin and end."""
    end = 0
    while bits:
        begin = end + (bits & -bits).bit_length() - 1
        bits >>= begin - end
        end = begin + (~bits & (bits + 1)).bit_length() - 1
        bits >>= end - begin
        yield begin, end
