"""One canvas and the ways to draw on it, with the semantics of the official player's layers.

Facts of guacamole-common-js 1.5.0 that pictures depend on:

- A canvas is rounded up to multiples of 64 pixels and drawing is not cut to the layer's own size.
- A buffer grows to hold whatever is drawn on it; a layer does not.
- A new size that needs no other canvas resets the drawing state: the pending path is forgotten and
  the operator falls back to the one that was set when the canvas was last replaced. A replaced
  canvas keeps the operator and the pixels inside both sizes.
- An operator that clears does so on the whole canvas, outside the shape too.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

import numpy as np

from kasm_recd.guacamole import limits, masking
from kasm_recd.guacamole.compositing import CLEAR, OVER, composite
from kasm_recd.guacamole.drawing_state import PLAIN
from kasm_recd.guacamole.geometry import NOWHERE, Rect
from kasm_recd.guacamole.inks import Colour, Drawing
from kasm_recd.guacamole.limits import Undrawable
from kasm_recd.guacamole.path import Box
from kasm_recd.guacamole.stencil import Stencil
from kasm_recd.guacamole.waiting import Surface

if TYPE_CHECKING:
    from kasm_recd.guacamole.budget import Budget
    from kasm_recd.guacamole.inks import Ink, Past
    from kasm_recd.guacamole.masking import Paint
    from kasm_recd.guacamole.pictures import Picture
    from kasm_recd.guacamole.pixels import Words
    from kasm_recd.guacamole.transfers import Transfer

_STEP: Final = 64


class Canvas(Stencil):
    """A picture that is drawn on. Every verb that draws returns the part that changed.

    ``words`` are its pixels (see :mod:`~kasm_recd.guacamole.compositing`), at least ``height`` x
    ``width`` of them; outside of ``drawn`` all of them are transparent.
    """

    def __init__(self, budget: Budget, *, grows: bool = False) -> None:
        super().__init__(budget)
        self.width = 0
        self.height = 0
        self.grows = grows
        self._surface = Surface(budget.held)

    @property
    def area(self) -> Rect:
        """All pixels of the canvas."""
        return self._surface.area

    @property
    def words(self) -> Words:
        """The pixels, all drawn; they may be changed until something else is done with it."""
        return self._surface.words

    @property
    def draws_later(self) -> bool:
        """What is drawn now may wait until it is looked at."""
        return self.operator is OVER and self.style is PLAIN

    def look(self, part: Rect) -> Words:
        """The pixels of ``part``, all drawn; to be read at once."""
        return self._surface.look(part)

    def is_opaque(self, part: Rect) -> bool:
        """Whether no pixel of ``part``, all drawn, is translucent."""
        return self._surface.is_opaque(part)

    def resize(self, width: int, height: int) -> Rect:
        """Give it another size. Raises Undrawable and changes nothing if that is refused."""
        if (width, height) == (self.width, self.height):
            return NOWHERE
        limits.check_canvas(width, height)
        changed = NOWHERE
        rows, columns = (-(-length // _STEP) * _STEP for length in (height, width))
        if (columns, rows) != self.area[2:]:
            self._budget.exchange(self.area.area, rows * columns)
            changed = self._move_to(np.zeros((rows, columns), np.uint32), width, height)
            self.operator_after_reset = self.operator
        self.reset()
        self.width, self.height = width, height
        return changed

    def release(self) -> None:
        """Give the pixels back; the canvas is empty afterwards."""
        self._budget.exchange(self.area.area, 0)
        self._surface.replace(np.zeros((0, 0), np.uint32))
        self.width = self.height = 0
        self.drawn = NOWHERE
        self.reset()

    def rect(self, x: int, y: int, width: int, height: int) -> None:
        """Add a rectangle to the path. Raises Undrawable."""
        right, bottom = x + width, y + height
        forwards = width >= 0 and height >= 0
        command = Rect(x, y, right, bottom) if forwards else Box(x, y, width, height)
        self.add(command, right, bottom)

    def fill(self, colour: np.uint32) -> Rect:
        """Fill the path, which is closed then but not forgotten. Raises Undrawable."""
        if len(self.path) == 1 and self.draws_later:
            shape = self.path[0]
            if isinstance(shape, Rect):
                self.path_is_closed = True
                return self._wait(shape.cut_to(self.area), Colour.of(colour), 0, 0)
        return self._fill(lambda _shape: colour)

    def fill_with(self, tile: Canvas) -> Rect:
        """As :meth:`fill`, with ``tile`` repeated in both directions from the upper left corner."""
        return self._fill(self._tiled(tile))

    def stroke(self, colour: np.uint32) -> Rect:
        """Draw a line along the path, which is closed then but not forgotten. Raises Undrawable."""
        return self.line_along(lambda _shape: colour)

    def stroke_with(self, tile: Canvas) -> Rect:
        """As :meth:`stroke`, with ``tile`` as in :meth:`fill_with`."""
        return self.line_along(self._tiled(tile))

    def draw(self, picture: Words, x: int, y: int) -> Rect:
        """Draw ``picture`` with its upper left corner at (x, y)."""
        rows, columns = picture.shape
        self._grow_to(Rect.sized(x, y, columns, rows))
        return self._place(picture, x, y)

    def draw_later(self, picture: Picture, x: int, y: int) -> Rect:
        """As :meth:`draw`, with a picture that is decoded when it is looked at; OVER alone."""
        whole = Rect.sized(x, y, picture.width, picture.height)
        self._grow_to(whole)
        return self._wait(whole.cut_to(self.area), picture, x, y)

    def copy(self, source: Canvas, part: Rect, x: int, y: int) -> Rect:
        """Draw ``part`` of ``source``, which may be this canvas, at (x, y)."""
        part = part.ended_by(source.area)
        if part.empty:
            return NOWHERE
        self._grow_to(Rect.sized(x, y, part.width, part.height))
        inside = part.cut_to(source.area)
        right, down = x - part.left, y - part.top
        place = inside.moved(right, down).cut_to(self.area)
        if self.draws_later and not place.empty:
            past = source.past(place.moved(-right, -down))
            if past is not None:
                return self._wait(place, past, right, down)
        picture = source.look(inside)
        if source is self:
            picture = picture.copy()
        return self._place(picture, inside.left + right, inside.top + down)

    def past(self, part: Rect) -> Past | None:
        """What ``part`` looks like now; None where something shines through it."""
        return self._surface.past(part)

    def transfer(self, source: Canvas, part: Rect, x: int, y: int, function: Transfer) -> Rect:
        """Combine ``part`` of ``source`` with what is at (x, y), bit by bit, whatever the operator.

        Where ``part`` lies beyond the source's left or upper edge, the source is transparent.
        """
        part = part.ended_by(source.area)
        if part.empty:
            return NOWHERE
        self._grow_to(Rect.sized(x, y, part.width, part.height))
        place = Rect.sized(x, y, part.width, part.height).cut_to(self.area)
        if place.empty:
            return NOWHERE
        wanted = place.moved(part.left - x, part.top - y)
        inside = wanted.cut_to(source.area)
        picture = np.full((place.height, place.width), CLEAR)
        if not inside.empty:
            at = inside.moved(-wanted.left, -wanted.top)
            picture[at.within] = source.look(inside)
        self.words[place.within] = function(picture, self.words[place.within])
        self.drawn = self.drawn.joined(place)
        return place

    def _fill(self, ink: Paint) -> Rect:
        self.path_is_closed = True
        path = self.path
        if not path or (self.style is not PLAIN and not self.style.matrix.usable):
            return NOWHERE
        if self.style.clips or any(type(element) is not Rect for element in path):
            return self.shade(masking.filled(path, self.area), ink)
        # No part of it outside of the canvas is ever filled: a canvas that grows forgets the path.
        shapes = [shape.cut_to(self.area) for shape in path if isinstance(shape, Rect)]
        bounds = reduce(Rect.joined, shapes)
        if len(shapes) == 1 or bounds.empty:
            return self._paint(bounds, CLEAR if bounds.empty else ink(bounds))
        return self._paint(bounds, masking.united(shapes, bounds, ink))

    def _tiled(self, tile: Canvas) -> Paint:
        words = tile.look(tile.area)
        if not words.size:
            raise Undrawable("a layer without pixels to draw with")
        return masking.tiled(words.copy() if tile is self else words, self.style.matrix)

    def _reach(self, right: int, bottom: int) -> None:
        if self.grows:
            self.resize(max(self.width, right), max(self.height, bottom))

    def _grow_to(self, rect: Rect) -> None:
        self._reach(rect.right, rect.bottom)

    def _move_to(self, words: Words, width: int, height: int) -> Rect:
        """Take what lies inside both sizes along to ``words``; returns what may look different."""
        kept = self.drawn.cut_to(Rect(0, 0, min(self.width, width), min(self.height, height)))
        if not kept.empty:
            words[kept.within] = self.look(kept)
        changed, self.drawn = self.drawn, kept
        self._surface.replace(words)
        return changed

    def _place(self, picture: Words, x: int, y: int) -> Rect:
        if self.style is not PLAIN:
            return self.place(picture, x, y)
        rows, columns = picture.shape
        shape = Rect.sized(x, y, columns, rows).cut_to(self.area)
        return self._paint(shape, picture[shape.moved(-x, -y).within])

    def _wait(self, place: Rect, ink: Ink | Past, x: int, y: int) -> Rect:
        """Draw ``ink`` on ``place``, which lies on the canvas or is empty, when it is looked at."""
        if place.empty:
            return NOWHERE
        self._surface.draw(Drawing(place, ink, x, y))
        if not self.drawn.contains(place):
            self.drawn = self.drawn.joined(place)
        return place

    def _paint(self, shape: Rect, source: Words | np.uint32) -> Rect:
        """Draw ``source`` on ``shape``, which lies on the canvas or is empty."""
        if shape.empty:
            shape, source = NOWHERE, CLEAR
        if not self.operator.clears:
            composite(self.words[shape.within], source, self.operator)
            self.drawn = self.drawn.joined(shape)
            return shape
        drawn = self.words[shape.within].copy()
        composite(drawn, source, self.operator)
        changed = self.drawn.joined(shape)
        self.words[self.drawn.within] = CLEAR
        self.words[shape.within] = drawn
        self.drawn = shape
        return changed
