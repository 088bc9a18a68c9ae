"""What is drawn on a surface, before it is drawn: colours, images, and pixels of other surfaces."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from weakref import WeakSet

from kasm_recd.guacamole.compositing import is_opaque

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from kasm_recd.guacamole.geometry import Rect
    from kasm_recd.guacamole.pixels import Words
    from kasm_recd.guacamole.waiting import Surface

#: Encoded images and copied pixels that may wait on all surfaces of a display together, in bytes.
HELD_BYTES: Final = 48_000_000


class Ink(Protocol):
    """What a drawing puts on a surface; it has coordinates of its own."""

    @property
    def opaque(self) -> bool:
        """Whether nothing shines through it."""

    def pixels(self, part: Rect) -> Words | np.uint32 | None:
        """``part`` of it, as a picture or one colour; None where it turns out that it has none."""


class Drawing(NamedTuple):
    """``ink``, its origin at (``x``, ``y``), seen through ``place``, which lies on the surface."""

    place: Rect
    ink: Ink | Past
    x: int
    y: int


class Colour(NamedTuple):
    """One colour everywhere."""

    word: np.uint32
    opaque: bool

    @classmethod
    @lru_cache(maxsize=1_024)
    def of(cls, word: np.uint32) -> Colour:
        """That colour as ink."""
        return cls(word, is_opaque(word))

    def pixels(self, part: Rect) -> np.uint32:  # noqa: ARG002 - the same in every part
        """As :meth:`Ink.pixels`."""
        return self.word


class Past:
    """What a surface looked like at some moment: ``drawings``, the lowest of which is a loan.

    The others waited on the surface then. ``weight`` is how many drawings it is made of, and
    ``depth`` how often a copy of a copy.
    """

    __slots__ = ("__weakref__", "depth", "drawings", "surface", "weight")
    opaque = True  # it is all that can be seen of opaque pixels

    def __init__(self, surface: Surface, loan: Loan, above: Sequence[Drawing]) -> None:
        pasts = [drawing.ink for drawing in above if isinstance(drawing.ink, Past)]
        self.drawings = (Drawing(loan.part, loan, 0, 0), *above)
        self.weight: int = 1 + len(above) + sum(past.weight for past in pasts)
        self.depth: int = 1 + max((past.depth for past in pasts), default=0)
        self.surface = surface

    @property
    def part(self) -> Rect:
        """Which part of the surface it is."""
        return self.drawings[0].place

    def drawn(self, loan: Loan) -> None:
        """All that waited is drawn, and nothing else: ``loan`` alone looks like it now."""
        self.drawings = (Drawing(loan.part, loan, 0, 0),)
        self.weight = self.depth = 1


class Held:
    """Bytes that wait on all surfaces of a display; too many, and all drawings are done."""

    def __init__(self, limit: int = HELD_BYTES) -> None:
        self.bytes = 0
        self._limit = limit
        self._surfaces: WeakSet[Surface] = WeakSet()

    def add(self, surface: Surface) -> None:
        """Watch ``surface``, on which something begins to wait."""
        self._surfaces.add(surface)

    def check(self) -> None:
        """Make room if too much waits."""
        if self.bytes > self._limit:
            for surface in list(self._surfaces):
                surface.settle()
            self._surfaces.clear()


class Loan:
    """``part`` of a surface's pixels as they are now, copied only if the surface changes there."""

    opaque = True

    def __init__(self, words: Words, part: Rect, held: Held) -> None:
        self.part = part
        self._words = words[part.within]
        self._held = held
        self._copied = 0

    def pixels(self, part: Rect) -> Words:
        """As :meth:`Ink.pixels`, in the coordinates of the surface that lent them."""
        return self._words[part.moved(-self.part.left, -self.part.top).within]

    def keep(self) -> None:
        """Copy the pixels: the surface is about to change."""
        self._words = self._words.copy()
        self._copied = self._words.nbytes
        self._held.bytes += self._copied

    def __del__(self) -> None:
        self._held.bytes -= self._copied
