"""A pen as instructions: path, clips, transformation, operator, line style, and all saved states.

They are told to a layer whose pen is as it was after a reset, and draw nothing. Clips only become
more from one saved state to the next and to the present one, so each is said once.

An operator is set with a ``copy`` out of an empty buffer, a line style with an invisible stroke. A
filled path, which the player keeps and could fill again, is closed by filling it with nothing, so
that guacenc, which does not keep it, forgets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kasm_recd.guacamole.compositing import OVER, mask_of
from kasm_recd.guacamole.drawing_state import PLAIN, State
from kasm_recd.guacamole.geometry import Rect
from kasm_recd.guacamole.instructions import encode
from kasm_recd.guacamole.matrix import IDENTITY, Matrix
from kasm_recd.guacamole.path import Arc, Box, Close, Curve, Line, Move, Transformed
from kasm_recd.guacamole.stroke import DEFAULT_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kasm_recd.guacamole.compositing import Operator
    from kasm_recd.guacamole.layers import Layer
    from kasm_recd.guacamole.path import Command, Element
    from kasm_recd.guacamole.stroke import LineStyle

_OVER: Final = mask_of(OVER)
_INVISIBLE: Final = (0, 0, 0, 0)


def is_fresh(layer: Layer) -> bool:
    """Whether the pen is as drawing a picture with OVER on a new layer leaves it."""
    state = (layer.operator, layer.operator_after_reset, layer.style, layer.line)
    return state == (OVER, OVER, PLAIN, DEFAULT_LINE) and not layer.path and not layer.saved


def tell(layer: Layer, empty: int) -> Iterator[bytes]:
    """The instructions for the pen of ``layer``; ``empty`` is a buffer without pixels."""
    return _Teller(layer, empty).tell()


def real(number: float) -> str:
    """``number`` as an argument that is read as the same number."""
    return repr(float(number) + 0.0)


class _Teller:
    """Knows what it has told so far."""

    def __init__(self, layer: Layer, empty: int) -> None:
        self._layer = layer
        self._index = layer.index
        self._empty = empty
        self._clips = 0
        self._matrix = IDENTITY
        self._line = DEFAULT_LINE

    def tell(self) -> Iterator[bytes]:
        layer = self._layer
        for state in layer.saved:
            yield from self._clipped(state)
            yield from self._rest(state)
            yield encode("push", self._index)
        state = State(layer.operator, layer.style, layer.line)
        yield from self._clipped(state)
        yield from self._path(layer.path)
        if layer.path and layer.path_is_closed and not isinstance(layer.path[-1], Close):
            yield encode("cfill", _OVER, self._index, *_INVISIBLE)
        yield from self._rest(state)

    def _clipped(self, state: State) -> Iterator[bytes]:
        yield from self._styled(state.line)
        for path in state.style.clips[self._clips :]:
            yield from self._path(path)
            yield encode("clip", self._index)
        self._clips = len(state.style.clips)

    def _rest(self, state: State) -> Iterator[bytes]:
        yield from self._transformed(state.style.matrix)
        yield self._operator(state.operator)

    def _path(self, path: Sequence[Element]) -> Iterator[bytes]:
        for element in path:
            if isinstance(element, Transformed):
                yield from self._transformed(element.matrix)
                yield self._said(element.command)
            else:
                yield from self._transformed(IDENTITY)
                yield self._said(element)

    def _said(self, command: Command) -> bytes:
        match command:
            case Rect(left, top):
                return encode("rect", self._index, left, top, command.width, command.height)
            case Arc(x, y, radius, start, end, negative):
                angles = real(start), real(end)
                return encode("arc", self._index, x, y, radius, *angles, negative)
        return encode(_OPCODES[type(command)], self._index, *command)

    def _transformed(self, matrix: Matrix) -> Iterator[bytes]:
        if matrix == self._matrix:
            return
        yield encode("identity", self._index)
        if matrix != IDENTITY:
            yield encode("transform", self._index, *map(real, matrix))
        self._matrix = matrix

    def _styled(self, line: LineStyle) -> Iterator[bytes]:
        """Said before the pending path, which a stroke would close."""
        if line[:3] != self._line[:3]:
            yield encode("cstroke", _OVER, self._index, *line[:3], *_INVISIBLE)
        if line.miter_limit != self._line.miter_limit:
            yield encode("set", self._index, "miter-limit", real(line.miter_limit))
        self._line = line

    def _operator(self, operator: Operator) -> bytes:
        mask = mask_of(operator)
        return encode("copy", self._empty, 0, 0, 0, 0, mask, self._index, 0, 0)


_OPCODES: Final = {Move: "start", Line: "line", Curve: "curve", Box: "rect", Close: "close"}
