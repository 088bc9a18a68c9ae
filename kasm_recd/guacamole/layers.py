"""Layers and buffers by index, and how the visible ones lie on each other.

Layer 0 is the display, layers above 0 lie in it or in each other, buffers (below 0) are not seen.
A layer or buffer begins to exist when it is first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.budget import Budget
from kasm_recd.guacamole.canvas import Canvas
from kasm_recd.guacamole.limits import Undrawable
from kasm_recd.guacamole.matrix import IDENTITY, Matrix, moved

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT = 0


class Layer(Canvas):
    """A canvas with its place: ``x``, ``y`` from the parent's corner, ``alpha`` 0 to 255.

    ``matrix`` distorts it, with all that lies in it, about its middle: the player leaves it to CSS.

    Children lie above their parent; among themselves by ``z``, then in the order in which they came
    to this parent (``children`` keeps it).
    """

    def __init__(self, index: int, budget: Budget) -> None:
        super().__init__(budget, grows=index < ROOT)
        self.index = index
        self.x = 0
        self.y = 0
        self.z = 0
        self.alpha = 255
        self.matrix = IDENTITY
        self.parent: Layer | None = None
        self.children: dict[int, Layer] = {}

    @property
    def visible(self) -> bool:
        """It and everything in it is shown; a layer without pixels hides what lies in it."""
        return self.width > 0 and self.height > 0

    @property
    def distortion(self) -> Matrix:
        """``matrix`` as it moves points of the canvas."""
        if self.matrix is IDENTITY:
            return IDENTITY
        x, y = self.width / 2, self.height / 2
        return moved(x, y).after(self.matrix).after(moved(-x, -y))

    @property
    def ancestors(self) -> Iterator[Layer]:
        """Itself, its parent, and so on."""
        layer: Layer | None = self
        while layer is not None:
            yield layer
            layer = layer.parent

    def move(self, parent: Layer, x: int, y: int, z: int) -> None:
        """Put it at another place, maybe into another parent. Raises Undrawable for a circle."""
        if self in parent.ancestors:
            raise Undrawable(f"layer {self.index} would lie in itself")
        if parent is not self.parent:
            self.detach()
            self.parent = parent
            parent.children[self.index] = self
        self.x, self.y, self.z = x, y, z

    def distort(self, matrix: Matrix) -> None:
        """Show it, with everything in it, under ``matrix``."""
        self.matrix = IDENTITY if matrix == IDENTITY else matrix

    def detach(self) -> None:
        """Take it, with everything in it, off the display."""
        if self.parent is not None:
            del self.parent.children[self.index]
            self.parent = None

    def stacked(self) -> list[Layer]:
        """Its children, the lowest first."""
        return sorted(self.children.values(), key=lambda layer: layer.z)


class Layers:
    """All layers and buffers that exist, bounded in number."""

    def __init__(self) -> None:
        self.budget = Budget()
        self.root = Layer(ROOT, self.budget)
        self._layers: dict[int, Layer] = {ROOT: self.root}
        self._buffers: dict[int, Layer] = {}

    def __iter__(self) -> Iterator[Layer]:
        """Layers, then buffers, each in the order of their creation."""
        yield from self._layers.values()
        yield from self._buffers.values()

    @property
    def buffers(self) -> Collection[Layer]:
        """The buffers that exist."""
        return self._buffers.values()

    @property
    def visible(self) -> Collection[Layer]:
        """Layer 0 and the layers above it that exist, shown or not."""
        return self._layers.values()

    def at(self, index: int) -> Layer:
        """The layer or buffer of that index, made now if it has to be. Raises Undrawable."""
        layer = self._kind(index).get(index)
        return self._create(index) if layer is None else layer

    def dispose(self, index: int) -> None:
        """End a layer or buffer; layer 0 stays. Its children are no longer shown."""
        layer = None if index == ROOT else self._kind(index).pop(index, None)
        if layer is not None:
            layer.detach()
            layer.release()

    def _kind(self, index: int) -> dict[int, Layer]:
        return self._buffers if index < ROOT else self._layers

    def _create(self, index: int) -> Layer:
        kind, limit = self._kind(index), limits.BUFFERS if index < ROOT else limits.LAYERS
        if len(kind) >= limit:
            raise Undrawable(f"layer {index}: {limit} of its kind are alive already")
        layer = Layer(index, self.budget)
        if index > ROOT:
            layer.resize(self.root.width, self.root.height)
            layer.move(self.root, 0, 0, 0)
        kind[index] = layer
        return layer
