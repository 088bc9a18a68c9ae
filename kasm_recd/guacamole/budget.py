"""What all canvases of a display may have together."""

from __future__ import annotations

from kasm_recd.guacamole import limits
from kasm_recd.guacamole.inks import Held
from kasm_recd.guacamole.limits import Undrawable


class Budget:
    """Pixels, and commands of paths, that are still to be had."""

    def __init__(self, pixels: int = limits.TOTAL_PIXELS) -> None:
        self._left = pixels
        self.held = Held()
        self.commands = limits.PATHS_TOGETHER

    def exchange(self, old: int, new: int) -> None:
        """A canvas of ``old`` pixels becomes one of ``new``. Raises Undrawable."""
        if new - old > self._left:
            raise Undrawable(f"no room for a canvas of {new} pixels beside the others")
        self._left -= new - old

    def check_room(self, commands: int) -> None:
        """Raises Undrawable where paths hold too many commands to take in so many more."""
        if commands > self.commands:
            raise Undrawable(f"paths of more than {limits.PATHS_TOGETHER} commands together")
