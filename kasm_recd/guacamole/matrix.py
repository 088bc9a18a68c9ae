"""Affine transformations of the plane, with the letters that the protocol and the canvas use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from kasm_recd.guacamole.geometry import NOWHERE, Rect

if TYPE_CHECKING:
    from kasm_recd.guacamole.path import Points

_FAR: Final = 1e9


class Matrix(NamedTuple):
    """(x, y) becomes (``a`` x + ``c`` y + ``e``, ``b`` x + ``d`` y + ``f``)."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def after(self, first: Matrix) -> Matrix:
        """``first``, and then this one."""
        return Matrix(
            self.a * first.a + self.c * first.b,
            self.b * first.a + self.d * first.b,
            self.a * first.c + self.c * first.d,
            self.b * first.c + self.d * first.d,
            self.a * first.e + self.c * first.f + self.e,
            self.b * first.e + self.d * first.f + self.f,
        )

    @property
    def usable(self) -> bool:
        """It has an inverse, and numbers that can be calculated with."""
        determinant = self.a * self.d - self.b * self.c
        return all(abs(term) < _FAR for term in self) and abs(determinant) > 1 / _FAR

    @property
    def scale(self) -> float:
        """By how much it magnifies lengths at most, roughly."""
        return max(abs(self.a) + abs(self.c), abs(self.b) + abs(self.d))

    @property
    def shift(self) -> tuple[int, int] | None:
        """By how many whole pixels it moves, if it does nothing else."""
        if self[:4] != IDENTITY[:4] or self.e % 1 or self.f % 1:
            return None
        return int(self.e), int(self.f)

    def inverse(self) -> Matrix:
        """What undoes it; it has to be usable."""
        determinant = self.a * self.d - self.b * self.c
        a, b, c, d = (n / determinant for n in (self.d, -self.b, -self.c, self.a))
        return Matrix(a, b, c, d, -(a * self.e + c * self.f), -(b * self.e + d * self.f))

    def apply(self, points: Points) -> Points:
        """The points, ... x (x, y), transformed."""
        if self is IDENTITY:
            return points
        x, y = points[..., 0], points[..., 1]
        moved = (self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f)
        return np.stack(moved, axis=-1)

    def around(self, part: Rect) -> Rect:
        """The smallest rectangle of whole pixels around ``part`` transformed, within reason."""
        if part.empty:
            return NOWHERE
        left, top, right, bottom = part
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
        moved = np.clip(np.nan_to_num(self.apply(corners)), -_FAR, _FAR)
        low, high = np.floor(moved.min(axis=0)), np.ceil(moved.max(axis=0))
        return Rect(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


IDENTITY: Final = Matrix(1, 0, 0, 1, 0, 0)


def moved(x: float, y: float) -> Matrix:
    """What moves everything by ``x`` to the right and ``y`` down."""
    return IDENTITY._replace(e=x, f=y)
