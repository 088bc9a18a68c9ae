"""Drawing through masks, as the drawing state wants it: clips, transformations, lines.

guacd leaves that state alone, so that nothing of this is done in its recordings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kasm_recd.guacamole import masking
from kasm_recd.guacamole.geometry import NOWHERE, Rect
from kasm_recd.guacamole.pen import Pen

if TYPE_CHECKING:
    from kasm_recd.guacamole.budget import Budget
    from kasm_recd.guacamole.drawing_state import Style
    from kasm_recd.guacamole.masking import Paint
    from kasm_recd.guacamole.pixels import Words
    from kasm_recd.guacamole.raster import Mask


class Stencil(Pen):
    """A pen and the pixels that it draws on; outside of ``drawn`` all of them are transparent."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self.drawn = NOWHERE
        self._clipped: tuple[Style, Mask] | None = None

    @property
    def area(self) -> Rect:
        """All pixels."""
        raise NotImplementedError

    @property
    def words(self) -> Words:
        """The pixels, which may be changed."""
        raise NotImplementedError

    def line_along(self, ink: Paint) -> Rect:
        """Draw ``ink`` along the path, which is closed then. Raises Undrawable."""
        self.path_is_closed = True
        matrix = self.style.matrix
        if not self.path or not matrix.usable:
            return NOWHERE
        return self.shade(masking.stroked(self.path, self.line, matrix, self.area), ink)

    def place(self, picture: Words, x: int, y: int) -> Rect:
        """Draw ``picture`` under the transformation. Raises Undrawable."""
        matrix = self.style.matrix
        if not picture.size or not matrix.usable:
            return NOWHERE
        return self.shade(*masking.placed(picture, x, y, matrix, self.area))

    def shade(self, shape: Mask, ink: Paint) -> Rect:
        """Draw ``ink`` through a mask on the canvas, and through the clips."""
        masking.paint(self.words, shape, ink, self.operator, self._clip())
        changed = self.drawn.joined(shape.bounds) if self.operator.clears else shape.bounds
        self.drawn = self.drawn.joined(shape.bounds)
        return changed

    def _clip(self) -> Mask | None:
        """What all drawing is clipped to; calculated once for a style."""
        if not self.style.clips:
            return None
        if self._clipped is None or self._clipped[0] is not self.style:
            self._clipped = self.style, masking.clipped(self.style.clips, self.area)
        return self._clipped[1]
