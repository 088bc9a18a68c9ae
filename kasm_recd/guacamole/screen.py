"""What a viewer sees: the visible layers drawn on each other, again where something changed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kasm_recd.guacamole import masking
from kasm_recd.guacamole.canvas import Canvas
from kasm_recd.guacamole.compositing import CLEAR, OVER, SRC, composite, composite_faded
from kasm_recd.guacamole.geometry import NOWHERE, Rect, Region
from kasm_recd.guacamole.matrix import IDENTITY, Matrix, moved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.guacamole.budget import Budget
    from kasm_recd.guacamole.layers import Layer
    from kasm_recd.guacamole.pixels import Words


class Pointer:
    """The mouse pointer: its picture, the pixel of it that points, and where it points to.

    It is shown from the first ``mouse`` instruction on.
    """

    def __init__(self, budget: Budget) -> None:
        self.canvas = Canvas(budget)
        self.canvas.operator = SRC
        self.hotspot = (0, 0)
        self.position: tuple[int, int] | None = None

    @property
    def corner(self) -> tuple[int, int]:
        """Where the upper left corner of its picture lies on the display."""
        x, y = self.position or (0, 0)
        return x - self.hotspot[0], y - self.hotspot[1]

    @property
    def footprint(self) -> Rect:
        """The part of the display that it covers."""
        if self.position is None:
            return NOWHERE
        return Rect.sized(*self.corner, self.canvas.width, self.canvas.height)


@dataclass(frozen=True, slots=True)
class Placed:
    """A visible layer, where its corner lies on the display, and its opacity from 0 to 1.

    ``matrix`` is None, or brings its points to the display's where it is distorted.
    """

    layer: Layer
    x: int
    y: int
    alpha: float
    matrix: Matrix | None = None

    def child(self, layer: Layer) -> Placed:
        """Where ``layer``, which lies in this one, is."""
        alpha = self.alpha * layer.alpha / 255
        x, y = self.x + layer.x, self.y + layer.y
        if self.matrix is None and layer.matrix is IDENTITY:
            return Placed(layer, x, y, alpha)
        outer = self.matrix or moved(self.x, self.y)
        return Placed(
            layer, x, y, alpha, outer.after(moved(layer.x, layer.y)).after(layer.distortion)
        )

    @property
    def footprint(self) -> Rect:
        """The part of the display on which it has drawn."""
        if self.matrix is None:
            return self.layer.drawn.moved(self.x, self.y)
        return self.matrix.around(_size(self.layer))

    @property
    def plain(self) -> bool:
        """Its pixels are shown as they are."""
        return self.matrix is None and self.alpha == 1

    def hides(self, part: Rect) -> bool:
        """Whether nothing shines through in ``part``, which lies in its footprint."""
        return self.layer.is_opaque(part.moved(-self.x, -self.y))

    def look(self, part: Rect) -> Words:
        """What ``part`` of the display, in its footprint, shows of it alone; to be read at once."""
        if self.matrix is None:
            return self.layer.look(part.moved(-self.x, -self.y))
        return _distorted(self.layer, self.matrix, part)


def _size(layer: Layer) -> Rect:
    return Rect(0, 0, layer.width, layer.height)


class Screen:
    """The flattened picture of ``root`` and what lies in it, with or without the pointer."""

    def __init__(self, root: Layer, pointer: Pointer) -> None:
        self._root = root
        self._pointer = pointer
        self._words: Words = np.zeros((0, 0), np.uint32)
        self._stale = Region()
        self._changed = Region()
        self._pointed_at = NOWHERE  # where the pointer is painted in _words

    @property
    def area(self) -> Rect:
        """All of the display."""
        return Rect(0, 0, self._root.width, self._root.height)

    @contextmanager
    def rearranging(self, layer: Layer) -> Iterator[None]:
        """``layer`` is moved, resized, shaded or disposed of inside the ``with`` block."""
        self._expose(layer)
        try:
            yield
        finally:
            self._expose(layer)

    def touch(self, layer: Layer, rect: Rect) -> None:
        """``rect`` of ``layer`` looks different now."""
        area = self.area
        above: Layer | None = layer
        x = y = 0
        while above is not None:
            if above.matrix is not IDENTITY:
                self._stale.add(area)
                return
            x, y = x + above.x, y + above.y
            above = above.parent
        self._stale.add(rect.moved(x, y).cut_to(area))

    def paint(self, *, pointer: bool) -> Words:
        """The picture, height x width words; valid until the next call."""
        if self._words.shape != (self._root.height, self._root.width):
            self._words = np.zeros((self._root.height, self._root.width), np.uint32)
            self._pointed_at = NOWHERE
            self._stale.add(self.area)
        self._stale.add(self._pointed_at)
        layers = list(self._placed())
        for rect in self._stale.take():
            shown = rect.cut_to(self.area)
            self._flatten(shown, layers)
            self._changed.add(shown)
        self._pointed_at = NOWHERE
        if pointer:
            self._point()
        return self._words

    def take_changed(self) -> list[Rect]:
        """Where the painted picture changed since this was last asked."""
        return self._changed.take()

    def _point(self) -> None:
        pointer = self._pointer
        place = pointer.footprint.cut_to(self.area)
        if not place.empty:
            left, top = pointer.corner
            picture = pointer.canvas.look(place.moved(-left, -top))
            composite(self._words[place.within], picture, OVER)
            self._changed.add(place)
            self._pointed_at = place

    def _expose(self, layer: Layer) -> None:
        """Where ``layer`` and what lies in it is seen now has to be drawn again."""
        inside: set[Layer | None] = {layer}
        for placed in self._placed():
            if placed.layer in inside or placed.layer.parent in inside:
                inside.add(placed.layer)
                self._stale.add(placed.footprint.cut_to(self.area))

    def _flatten(self, rect: Rect, layers: list[Placed]) -> None:
        """Draw ``rect`` again; what lies beneath a layer that hides it is not even looked at."""
        target = self._words[rect.within]
        seen = [
            (placed, part) for placed in layers if not (part := placed.footprint.cut_to(rect)).empty
        ]
        lowest = _lowest_seen(seen, rect)
        if lowest is None:
            target[...] = CLEAR
        else:
            target[...] = seen[lowest][0].look(rect)
            del seen[: lowest + 1]
        for placed, part in seen:
            below = target[part.moved(-rect.left, -rect.top).within]
            if placed.alpha == 1:
                composite(below, placed.look(part), OVER)
            else:
                composite_faded(below, placed.look(part), round(placed.alpha * 255))

    def _placed(self) -> Iterator[Placed]:
        """The visible layers, the lowest first, and so a parent before its children."""
        root = self._root
        matrix = None if root.matrix is IDENTITY else root.distortion
        waiting = [Placed(root, 0, 0, root.alpha / 255, matrix)]
        while waiting:
            placed = waiting.pop()
            if placed.layer.visible:
                yield placed
                waiting += map(placed.child, reversed(placed.layer.stacked()))


def _lowest_seen(layers: list[tuple[Placed, Rect]], rect: Rect) -> int | None:
    """The one of ``layers``, if any, whose pixels are those of all ``rect`` below the next ones."""
    for index in range(len(layers) - 1, -1, -1):
        placed, part = layers[index]
        if part == rect and placed.plain and (index == 0 or placed.hides(rect)):
            return index
    return None


def _distorted(layer: Layer, matrix: Matrix, part: Rect) -> Words:
    """What ``part`` of the display shows of ``layer`` alone, under ``matrix``."""
    words = np.full((part.height, part.width), CLEAR)
    if not matrix.usable:
        return words
    picture = layer.look(_size(layer))
    matrix = moved(-part.left, -part.top).after(matrix)
    area = Rect(0, 0, part.width, part.height)
    shape, ink = masking.placed(picture, 0, 0, matrix, area)
    masking.paint(words, shape, ink, OVER, None)
    return words
