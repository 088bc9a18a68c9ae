"""Outlines to pixels: how much of each pixel lies inside, by the nonzero winding rule.

Each row of pixels is crossed at :data:`_LINES` heights; across, the share that is covered is exact.
So edges along the grid are exact, and others are within a few of 255 levels of any good rasteriser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.geometry import NOWHERE, Rect
from kasm_recd.guacamole.limits import Undrawable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from kasm_recd.guacamole.path import Points
    from kasm_recd.guacamole.pixels import Bytes

_LINES: Final = 16
#: Crossings that are sorted, and pixels that are summed up, at once: so memory is bounded.
_AT_ONCE: Final = 1 << 19


class Mask(NamedTuple):
    """How much of each pixel of ``bounds`` is covered: height x width, 0 to 255; none outside."""

    bounds: Rect
    cover: Bytes

    def times(self, other: Mask) -> Mask:
        """What both cover."""
        both = self.bounds.cut_to(other.bounds)
        if both.empty:
            return NOTHING
        one, two = (
            mask.cover[both.moved(-mask.bounds.left, -mask.bounds.top).within]
            for mask in (self, other)
        )
        product = one.astype(np.uint16) * two + 127
        return Mask(both, (product // 255).astype(np.uint8))

    def cut_to(self, area: Rect) -> Mask:
        """The part of it in ``area``."""
        part = self.bounds.cut_to(area)
        if part.empty:
            return NOTHING
        return Mask(part, self.cover[part.moved(-self.bounds.left, -self.bounds.top).within])


NOTHING: Final = Mask(NOWHERE, np.zeros((0, 0), np.uint8))


class _Edges(NamedTuple):
    """Edges that go down, in heights of crossing lines: where x is at line 0, and its slope."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]  # the line behind the last one that is crossed
    x: NDArray[np.float64]
    slope: NDArray[np.float64]
    turn: NDArray[np.int64]


def fill(outlines: Sequence[Points], area: Rect) -> Mask:
    """What lies inside of ``outlines`` and in ``area``. Raises Undrawable.

    Each is an array of closed outlines of one length, (... x) points x (x, y).
    """
    starts, ends = _sides(outlines)
    if not starts.size:
        return NOTHING
    low, high = (np.floor(starts.min(axis=0)), np.ceil(starts.max(axis=0)))
    around = Rect(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    bounds = around.cut_to(area)
    if bounds.empty:
        return NOTHING
    edges = _downwards(starts, ends, bounds)
    crossings = int((edges.last - edges.first).sum())
    if crossings > limits.CROSSINGS:
        raise Undrawable("shape with too many edges for its size")
    cover = np.empty((bounds.height, bounds.width), np.uint8)
    rows = max(1, min(bounds.height * _AT_ONCE // max(1, crossings), _AT_ONCE // bounds.width))
    for top in range(0, bounds.height, rows):
        strip = cover[top : top + rows]
        strip[...] = _cover(edges, top, strip.shape, bounds.left)
    return Mask(bounds, cover)


def _sides(outlines: Sequence[Points]) -> tuple[Points, Points]:
    """Where all sides of all outlines start and end, each n x (x, y)."""
    if not outlines:
        return np.zeros((0, 2)), np.zeros((0, 2))
    starts = [outline.reshape(-1, 2) for outline in outlines]
    ends = [np.roll(outline, -1, axis=-2).reshape(-1, 2) for outline in outlines]
    return np.concatenate(starts), np.concatenate(ends)


def _downwards(starts: Points, ends: Points, bounds: Rect) -> _Edges:
    swapped = (starts[:, 1] > ends[:, 1])[:, None]
    upper, lower = np.where(swapped, ends, starts), np.where(swapped, starts, ends)
    top, bottom = ((side[:, 1] - bounds.top) * _LINES - 0.5 for side in (upper, lower))
    lines = bounds.height * _LINES
    first, last = (np.clip(np.ceil(at), 0, lines).astype(np.int64) for at in (top, bottom))
    crossed = last > first
    top, bottom, upper, lower = (each[crossed] for each in (top, bottom, upper, lower))
    slope = (lower[:, 0] - upper[:, 0]) / (bottom - top)
    turn = np.where(swapped[crossed, 0], -1, 1)
    return _Edges(first[crossed], last[crossed], upper[:, 0] - top * slope, slope, turn)


def _cover(edges: _Edges, top: int, shape: tuple[int, int], left: int) -> Bytes:
    """Rows ``top`` and on; the first column is pixel ``left``."""
    height, width = shape
    x, line, turn = _crossings(edges, top * _LINES, (top + height) * _LINES)
    x = np.clip(x - left, 0, width)
    order = np.lexsort((x, line))
    x, line, turn = x[order], line[order], turn[order]
    inside = np.flatnonzero(np.cumsum(turn) != 0)
    total = np.zeros(height * (width + 2))
    for at, sign in ((inside, 1.0), (inside + 1, -1.0)):
        column = np.floor(x[at])
        share = x[at] - column
        cell = line[at] // _LINES * (width + 2) + column.astype(np.int64)
        total += np.bincount(cell, sign * (1 - share), total.size)
        total += np.bincount(cell + 1, sign * share, total.size)
    share = np.cumsum(total.reshape(height, width + 2), axis=1)[:, :width]
    share *= 255 / _LINES
    covered: Bytes = np.clip(share + 0.5, 0, 255).astype(np.uint8)
    return covered


def _crossings(
    edges: _Edges, begin: int, end: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """All crossings of the lines ``begin`` to ``end``: x, line counted from ``begin``, turn."""
    first, last = np.maximum(edges.first, begin), np.minimum(edges.last, end)
    counts = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(counts.size), counts)
    behind = np.cumsum(counts) - counts
    line = np.arange(edge.size) - behind[edge] + first[edge]
    return edges.x[edge] + line * edges.slope[edge], line - begin, edges.turn[edge]


def bands(height: int, width: int, pixels: int = 1 << 16) -> Iterator[slice]:
    """All rows, so many at a time that they have about ``pixels``."""
    rows = max(1, pixels // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, top + rows)
