"""A line along a path, as outlines to fill: a box for every straight piece, and joins and caps.

They overlap and all run the same way round, so that nonzero winding makes one shape of them.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.limits import Undrawable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from kasm_recd.guacamole.path import Points, Subpath

BUTT, ROUND_CAP, SQUARE = range(3)
BEVEL, MITER, ROUND = range(3)


class LineStyle(NamedTuple):
    """How lines are drawn; ``cap`` and ``join`` by the numbers of the protocol."""

    cap: int = BUTT
    join: int = MITER
    width: int = 1
    miter_limit: float = 10.0


DEFAULT_LINE: Final = LineStyle()


def outlines(subpaths: Iterable[Subpath], line: LineStyle, scale: float) -> list[Points]:
    """What a line along ``subpaths`` covers, as :func:`raster.fill` takes it. Raises Undrawable.

    ``scale`` is by how much the outlines are magnified later: round ones get so many corners.
    """
    corners = int(min(16 + 8 * sqrt(line.width * max(scale, 0)), 256))
    circle = np.arange(corners) * (2 * pi / corners)
    round_one = np.stack([np.cos(circle), np.sin(circle)], axis=-1) * (line.width / 2)
    found: list[Points] = []
    budget = limits.PATH_POINTS
    for subpath in subpaths:
        shapes = [_same_way_round(shape) for shape in _along(subpath, line, round_one)]
        budget -= sum(shape.size for shape in shapes)
        if budget < 0:
            raise Undrawable("line with too many corners")
        found += shapes
    return found


def _along(subpath: Subpath, line: LineStyle, circle: Points) -> Iterator[Points]:
    points = _distinct(subpath.points)
    if subpath.closed and len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    if len(points) == 1:
        yield from _dot(points[0], line, circle)
        return
    corners = np.concatenate([points, points[:1]]) if subpath.closed else points
    vectors = np.diff(corners, axis=0)
    directions = vectors / np.hypot(vectors[:, 0], vectors[:, 1])[:, None]
    half = line.width / 2
    starts, ends = corners[:-1].copy(), corners[1:].copy()
    if not subpath.closed and line.cap == SQUARE:
        starts[0] -= directions[0] * half
        ends[-1] += directions[-1] * half
    across = _normals(directions) * half
    yield np.stack([starts + across, ends + across, ends - across, starts - across], axis=1)
    if subpath.closed:
        before = np.roll(directions, 1, axis=0)
        yield from _joins(points, before, directions, line, circle)
        return
    yield from _joins(points[1:-1], directions[:-1], directions[1:], line, circle)
    if line.cap == ROUND_CAP:
        yield circle + points[[0, -1], None]


def _dot(point: NDArray[np.float64], line: LineStyle, circle: Points) -> Iterator[Points]:
    """A line of no length shows its caps."""
    half = line.width / 2
    if line.cap == ROUND_CAP:
        yield (circle + point)[None]
    elif line.cap == SQUARE:
        yield (np.array([(-half, -half), (half, -half), (half, half), (-half, half)]) + point)[None]


def _joins(
    at: Points, before: Points, after: Points, line: LineStyle, circle: Points
) -> Iterator[Points]:
    """Joins of pieces that come along ``before`` and go on along ``after``."""
    if not len(at):
        return
    if line.join == ROUND:
        if at.size * len(circle) > limits.PATH_POINTS:
            raise Undrawable("line with too many round corners")
        yield circle + at[:, None]
        return
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    outwards = -np.where(turn < 0, -1.0, 1.0)[:, None] * (line.width / 2)
    one, two = _normals(before) * outwards, _normals(after) * outwards
    yield np.stack([at, at + one, at + two], axis=1)
    if line.join == MITER:
        # 1 + cos of the turn is twice the square of the sine of half the angle between the pieces.
        opening = 1 + (before * after).sum(axis=1)
        pointed = opening * line.miter_limit**2 >= 2  # noqa: PLR2004 - twice
        at, one, two = at[pointed], one[pointed], two[pointed]
        tip = (one + two) / np.maximum(opening[pointed], 1e-12)[:, None]
        yield np.stack([at, at + one, at + tip, at + two], axis=1)


def _normals(directions: Points) -> Points:
    """To the left of each direction, on a screen to the right."""
    return np.stack([-directions[:, 1], directions[:, 0]], axis=-1)


def _distinct(points: Points) -> Points:
    """Without points that repeat the one before."""
    if len(points) == 1:
        return points
    moved = (np.diff(points, axis=0) != 0).any(axis=1)
    return np.concatenate([points[:1], points[1:][moved]])


def _same_way_round(shapes: Points) -> Points:
    """Outlines, n x points x (x, y), each turned so that it runs clockwise on a screen."""
    x, y = shapes[..., 0], shapes[..., 1]
    area = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)
    return np.where((area < 0)[:, None, None], shapes[:, ::-1], shapes)
