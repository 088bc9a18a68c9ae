"""What ``push`` saves and ``pop`` restores, beside the operator: the canvas's drawing state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kasm_recd.guacamole.matrix import IDENTITY, Matrix
from kasm_recd.guacamole.stroke import DEFAULT_LINE, LineStyle

if TYPE_CHECKING:
    from kasm_recd.guacamole.compositing import Operator
    from kasm_recd.guacamole.path import Element


class Style(NamedTuple):
    """A transformation of what is said, and the paths that all drawing is clipped to."""

    matrix: Matrix = IDENTITY
    clips: tuple[tuple[Element, ...], ...] = ()

    @property
    def commands(self) -> int:
        """Of all paths that it holds."""
        return sum(map(len, self.clips))


PLAIN: Final = Style()


class State(NamedTuple):
    """All of it."""

    operator: Operator
    style: Style = PLAIN
    line: LineStyle = DEFAULT_LINE
