"""Rectangles and small sets of them, in whole pixels; the origin is the upper left corner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )

    def meets(self, other: Rect) -> bool:
        """Both, not empty, have a pixel in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def moved(self, x: int, y: int) -> Rect:
        """The same rectangle, ``x`` to the right and ``y`` down."""
        return Rect(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def cut_to(self, other: Rect) -> Rect:
        """What lies in both; may be empty."""
        return Rect(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def ended_by(self, other: Rect) -> Rect:
        """What does not lie beyond the right and lower edges of ``other``; may be empty."""
        return self._replace(
            right=min(self.right, other.right), bottom=min(self.bottom, other.bottom)
        )

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


class Region:
    """A superset of the rectangles that were added, as at most ``limit`` disjoint-ish ones.

    Rectangles that nearly touch are joined: a few pixels too many cost less than one more piece.
    """

    def __init__(self, limit: int = 12) -> None:
        self._limit = limit
        self._rects: list[Rect] = []

    def __iter__(self) -> Iterator[Rect]:
        return iter(self._rects)

    def __bool__(self) -> bool:
        return bool(self._rects)

    def add(self, rect: Rect) -> None:
        """Include ``rect``."""
        if rect.empty:
            return
        kept = []
        for other in self._rects:
            both = rect.joined(other)
            if both.area * 4 <= (rect.area + other.area) * 5:
                rect = both
            else:
                kept.append(other)
        kept.append(rect)
        if len(kept) > self._limit:
            kept = [self._around(kept)]
        self._rects = kept

    def take(self) -> list[Rect]:
        """The rectangles; the region is empty afterwards."""
        rects, self._rects = self._rects, []
        return rects

    @staticmethod
    def _around(rects: list[Rect]) -> Rect:
        whole = NOWHERE
        for rect in rects:
            whole = whole.joined(rect)
        return whole
