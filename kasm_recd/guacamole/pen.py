"""The path that is being built on a canvas, and its drawing state; nothing here draws.

Facts of guacamole-common-js 1.5.0:

- A path outlives its fill: filling again without a new path fills the same one.
- A ``reset`` falls back to the operator that was set when the canvas was last replaced.
- Line styles that the canvas does not know, and widths that are not positive, leave the one before.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.compositing import OPERATORS, OVER
from kasm_recd.guacamole.drawing_state import PLAIN, State, Style
from kasm_recd.guacamole.limits import Undrawable
from kasm_recd.guacamole.matrix import IDENTITY, Matrix
from kasm_recd.guacamole.path import Close, Transformed
from kasm_recd.guacamole.stroke import DEFAULT_LINE

if TYPE_CHECKING:
    from kasm_recd.guacamole.budget import Budget
    from kasm_recd.guacamole.path import Command, Element

_CAPS = _JOINS = range(3)


class Pen:
    """The drawing state of one canvas; ``saved`` are the states that :meth:`push` kept."""

    def __init__(self, budget: Budget) -> None:
        self.path: list[Element] = []
        self.path_is_closed = True
        self.operator = OVER
        self.operator_after_reset = OVER
        self.style = PLAIN
        self.line = DEFAULT_LINE
        self.saved: list[State] = []
        self._budget = budget

    def set_mask(self, mask: int) -> None:
        """Choose the operator; a mask that has none leaves it as it was."""
        self.operator = OPERATORS.get(mask, self.operator)

    def set_line(self, cap: int, join: int, width: int) -> None:
        """Choose how lines are drawn from now on."""
        line = self.line
        self.line = line._replace(
            cap=cap if cap in _CAPS else line.cap,
            join=join if join in _JOINS else line.join,
            width=width if width > 0 else line.width,
        )

    def set_miter_limit(self, limit: float) -> None:
        """Choose where the points of mitered corners are cut off."""
        if limit > 0:
            self.line = self.line._replace(miter_limit=limit)

    def set_transform(self, matrix: Matrix) -> None:
        """Transform what is said from now on."""
        self._restyle(self.style._replace(matrix=IDENTITY if matrix == IDENTITY else matrix))

    def transform(self, matrix: Matrix) -> None:
        """Transform what is said from now on, and then as before. Raises Undrawable."""
        both = self.style.matrix.after(matrix)
        if not all(map(isfinite, both)):
            raise Undrawable("transformation out of range")
        self.set_transform(both)

    def clip(self) -> None:
        """From now on, draw only what lies inside the path too; it is closed. Raises Undrawable."""
        if len(self.style.clips) >= limits.CLIPS:
            raise Undrawable(f"more than {limits.CLIPS} clips")
        self._budget.check_room(len(self.path))
        self._restyle(self.style._replace(clips=(*self.style.clips, tuple(self.path))))
        self.path_is_closed = True

    def push(self) -> None:
        """Save the drawing state. Raises Undrawable."""
        if len(self.saved) >= limits.SAVED_STATES:
            raise Undrawable(f"more than {limits.SAVED_STATES} saved states")
        self.saved.append(State(self.operator, self.style, self.line))

    def pop(self) -> None:
        """Restore what was saved last, if anything."""
        if self.saved:
            self.operator, style, self.line = self.saved.pop()
            self._restyle(style)

    def reset(self) -> None:
        """Forget the path and what was saved, and begin with the first state again."""
        self.saved = []
        self.operator, self.line = self.operator_after_reset, DEFAULT_LINE
        self._restyle(PLAIN)
        self._forget_path()

    def close(self) -> None:
        """Close the path: the next one begins anew."""
        if self.path and not isinstance(self.path[-1], Close):
            self._append(Close())
        self.path_is_closed = True

    def add(self, command: Command, right: int, bottom: int) -> None:
        """Add to the path what reaches to (``right``, ``bottom``) as said. Raises Undrawable."""
        if self.path_is_closed:
            self._forget_path()
            self.path_is_closed = False
        self._reach(right, bottom)
        self._append(command)

    def _reach(self, right: int, bottom: int) -> None:
        """Something is about to be drawn up to there."""
        raise NotImplementedError

    def _append(self, command: Command) -> None:
        if len(self.path) >= limits.PATH_COMMANDS:
            raise Undrawable(f"path of more than {limits.PATH_COMMANDS} commands")
        self._budget.check_room(1)
        self._budget.commands -= 1
        matrix = self.style.matrix
        self.path.append(command if matrix is IDENTITY else Transformed(command, matrix))

    def _forget_path(self) -> None:
        self._budget.commands += len(self.path)
        self.path = []

    def _restyle(self, style: Style) -> None:
        if style is not self.style:
            self._budget.commands += self.style.commands - style.commands
            self.style = PLAIN if style == PLAIN else style
