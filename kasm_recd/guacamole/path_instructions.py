"""Instructions that build a path, draw it, or change the drawing state, one function each.

A function gives back the layer that it was about and the part of it that looks different now.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from kasm_recd.guacamole.arguments import numbers, real, take
from kasm_recd.guacamole.compositing import word
from kasm_recd.guacamole.geometry import NOWHERE, Rect
from kasm_recd.guacamole.limits import Undrawable, checked_number
from kasm_recd.guacamole.matrix import IDENTITY, Matrix
from kasm_recd.guacamole.path import Arc, Curve, Line, Move

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kasm_recd.guacamole.layers import Layer, Layers

Drawn: TypeAlias = "tuple[Layer, Rect]"


def matrix_of(args: tuple[bytes, ...]) -> tuple[int, Matrix]:
    """Layer and matrix of ``transform`` and ``distort``. Raises Undrawable."""
    layer, *terms = take(args, 7)
    return checked_number(layer), Matrix(*map(real, terms))


def _arc(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    index, x, y, radius = numbers(args, 4)
    start, end, negative = take(args, 7)[4:]
    if radius < 0:
        raise Undrawable(f"radius of {radius}")
    arc = Arc(x, y, radius, real(start), real(end), int(checked_number(negative) != 0))
    layer = layers.at(index)
    layer.add(arc, x, y)
    return layer, NOWHERE


def _cfill(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    mask, index, red, green, blue, alpha = numbers(args, 6)
    layer = layers.at(index)
    layer.set_mask(mask)
    return layer, layer.fill(word(red, green, blue, alpha))


def _clip(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    layer = layers.at(*numbers(args, 1))
    layer.clip()
    return layer, NOWHERE


def _close(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    layer = layers.at(*numbers(args, 1))
    layer.close()
    return layer, NOWHERE


def _cstroke(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    mask, index, cap, join, width, red, green, blue, alpha = numbers(args, 9)
    layer = layers.at(index)
    layer.set_mask(mask)
    layer.set_line(cap, join, width)
    return layer, layer.stroke(word(red, green, blue, alpha))


def _curve(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    index, *points = numbers(args, 7)
    layer, curve = layers.at(index), Curve(*points)
    layer.add(curve, curve.x, curve.y)
    return layer, NOWHERE


def _identity(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    layer = layers.at(*numbers(args, 1))
    layer.set_transform(IDENTITY)
    return layer, NOWHERE


def _lfill(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    mask, index, tile = numbers(args, 3)
    layer = layers.at(index)
    layer.set_mask(mask)
    return layer, layer.fill_with(layers.at(tile))


def _line(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    index, x, y = numbers(args, 3)
    layer = layers.at(index)
    layer.add(Line(x, y), x, y)
    return layer, NOWHERE


def _lstroke(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    """As the protocol has it; the player takes the cap for the source and stops there."""
    mask, index, cap, join, width, tile = numbers(args, 6)
    layer = layers.at(index)
    layer.set_mask(mask)
    layer.set_line(cap, join, width)
    return layer, layer.stroke_with(layers.at(tile))


def _pop(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    layer = layers.at(*numbers(args, 1))
    layer.pop()
    return layer, NOWHERE


def _push(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    layer = layers.at(*numbers(args, 1))
    layer.push()
    return layer, NOWHERE


def _rect(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    index, x, y, width, height = numbers(args, 5)
    layer = layers.at(index)
    layer.rect(x, y, width, height)
    return layer, NOWHERE


def _reset(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    layer = layers.at(*numbers(args, 1))
    layer.reset()
    return layer, NOWHERE


def _set(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    """Only of one property can anything be seen."""
    index, name, value = take(args, 3)
    layer = layers.at(checked_number(index))
    if name == b"miter-limit":
        layer.set_miter_limit(real(value))
    return layer, NOWHERE


def _start(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    index, x, y = numbers(args, 3)
    layer = layers.at(index)
    layer.add(Move(x, y), x, y)
    return layer, NOWHERE


def _transform(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    index, matrix = matrix_of(args)
    layer = layers.at(index)
    layer.transform(matrix)
    return layer, NOWHERE


PATH_INSTRUCTIONS: Final[Mapping[str, Callable[[Layers, tuple[bytes, ...]], Drawn]]] = (
    MappingProxyType(
        {
            "arc": _arc,
            "cfill": _cfill,
            "clip": _clip,
            "close": _close,
            "cstroke": _cstroke,
            "curve": _curve,
            "identity": _identity,
            "lfill": _lfill,
            "line": _line,
            "lstroke": _lstroke,
            "pop": _pop,
            "push": _push,
            "rect": _rect,
            "reset": _reset,
            "set": _set,
            "start": _start,
            "transform": _transform,
        }
    )
)
