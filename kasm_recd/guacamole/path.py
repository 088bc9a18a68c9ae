"""Paths as they were said, and as the points that they run through.

A path keeps its commands, each with the transformation of its moment: a preamble says them again.
The meaning of each is that of the canvas path in the HTML standard, which the player draws with
(https://html.spec.whatwg.org/multipage/canvas.html#building-paths).
"""

from __future__ import annotations

from math import cos, pi, sin, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.geometry import Rect
from kasm_recd.guacamole.limits import Undrawable
from kasm_recd.guacamole.matrix import IDENTITY, Matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: ... x (x, y)
Points: TypeAlias = "NDArray[np.float64]"

_MOST_STEPS: Final = 1_024
#: Farther out nothing is drawn, and sums would lose their fractions.
_FAR: Final = 1e9


class Move(NamedTuple):
    """A new subpath begins."""

    x: int
    y: int


class Line(NamedTuple):
    """Straight on to a point."""

    x: int
    y: int


class Arc(NamedTuple):
    """Straight to the beginning of a piece of a circle, and along it; angles in radians."""

    x: int
    y: int
    radius: int
    start: float
    end: float
    negative: int


class Curve(NamedTuple):
    """A cubic Bezier curve by its two control points and its end."""

    x1: int
    y1: int
    x2: int
    y2: int
    x: int
    y: int


class Box(NamedTuple):
    """A rectangle whose width or height may be negative: it then runs the other way round."""

    x: int
    y: int
    width: int
    height: int


class Close(NamedTuple):
    """Straight back to where the subpath began."""


#: A Rect is a Box that runs forwards.
Command: TypeAlias = Move | Line | Arc | Curve | Box | Close | Rect


class Transformed(NamedTuple):
    """A command said under a transformation."""

    command: Command
    matrix: Matrix


Element: TypeAlias = Command | Transformed


class Subpath(NamedTuple):
    """Points joined by straight lines, the last to the first one where it is ``closed``."""

    points: Points
    closed: bool


def trace(path: Sequence[Element]) -> list[Subpath]:
    """What ``path`` runs through, in pixels of the canvas. Raises Undrawable."""
    tracer = _Tracer()
    for element in path:
        if isinstance(element, Transformed):
            tracer.follow(element.command, element.matrix)
        else:
            tracer.follow(element, IDENTITY)
    return tracer.finish()


class _Tracer:
    """Collects subpaths; the points of the one that is being drawn are in ``_points``."""

    def __init__(self) -> None:
        self._done: list[Subpath] = []
        self._points: list[tuple[float, float]] = []
        self._count = 0

    def follow(self, command: Command, matrix: Matrix) -> None:
        match command:
            case Close():
                self._close()
            case Move(x, y):
                self._finish(closed=False)
                self._go([(x, y)], matrix)
            case Line(x, y):
                self._go([(x, y)], matrix)
            case Box(x, y, width, height):
                self._box(x, y, x + width, y + height, matrix)
            case Rect(left, top, right, bottom):
                self._box(left, top, right, bottom, matrix)
            case Arc():
                self._go(_along_arc(command, matrix.scale), matrix)
            case Curve():
                self._curve(command, matrix)

    def finish(self) -> list[Subpath]:
        self._finish(closed=False)
        return self._done

    def _box(self, left: int, top: int, right: int, bottom: int, matrix: Matrix) -> None:
        self._finish(closed=False)
        self._go([(left, top), (right, top), (right, bottom), (left, bottom)], matrix)
        self._close()

    def _curve(self, curve: Curve, matrix: Matrix) -> None:
        if not self._points:
            self._go([(curve.x1, curve.y1)], matrix)
        corners = [(curve.x1, curve.y1), (curve.x2, curve.y2), (curve.x, curve.y)]
        moved = [tuple(point) for point in matrix.apply(np.array(corners, float)).tolist()]
        self._go(_along_curve([self._points[-1], *moved]), IDENTITY)

    def _go(self, points: Sequence[tuple[float, float]], matrix: Matrix) -> None:
        self._count += len(points)
        if self._count > limits.PATH_POINTS:
            raise Undrawable(f"path of more than {limits.PATH_POINTS} points")
        if matrix is not IDENTITY:
            points = list(map(tuple, matrix.apply(np.array(points, float)).tolist()))
        if not all(abs(x) < _FAR and abs(y) < _FAR for x, y in points):
            raise Undrawable("path that runs too far")
        self._points += points

    def _close(self) -> None:
        if self._points:
            start = self._points[0]
            self._finish(closed=True)
            self._points = [start]

    def _finish(self, *, closed: bool) -> None:
        if len(self._points) > 1:
            self._done.append(Subpath(np.array(self._points, float), closed))
        self._points = []


def _along_curve(corners: Sequence[tuple[float, ...]]) -> list[tuple[float, float]]:
    """Points behind the first of the four ``corners``, a pixel or two apart or nearer."""
    p = np.array(corners, float)
    length = float(np.abs(np.diff(p, axis=0)).sum())
    steps = int(min(8 + 2 * sqrt(length), _MOST_STEPS)) if length < _FAR else 1
    t = np.arange(1, steps + 1)[:, None] / steps
    s = 1 - t
    points = s**3 * p[0] + 3 * s**2 * t * p[1] + 3 * s * t**2 * p[2] + t**3 * p[3]
    return [(x, y) for x, y in points.tolist()]


def _along_arc(arc: Arc, scale: float) -> list[tuple[float, float]]:
    sweep = _sweep(arc)
    size = arc.radius * min(scale, _FAR)
    steps = 1 + int(min(abs(sweep) / (2 * pi) * (16 + 10 * sqrt(size)), _MOST_STEPS))
    angles = (
        [arc.start + sweep * step / steps for step in range(steps + 1)] if sweep else [arc.start]
    )
    return [(arc.x + arc.radius * cos(at), arc.y + arc.radius * sin(at)) for at in angles]


def _sweep(arc: Arc) -> float:
    """How far it turns, clockwise on the screen where positive; at most once round."""
    turn, whole = arc.end - arc.start, 2 * pi
    if arc.negative:
        return -whole if -turn >= whole else -((-turn) % whole)
    return whole if turn >= whole else turn % whole
