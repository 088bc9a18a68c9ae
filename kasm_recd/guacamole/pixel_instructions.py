"""Instructions that bring pixels of one layer to another, one function each.

As in :mod:`~kasm_recd.guacamole.path_instructions`, a function gives back the layer that it was
about and the part of it that looks different now.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kasm_recd.guacamole.arguments import numbers
from kasm_recd.guacamole.geometry import Rect
from kasm_recd.guacamole.limits import Undrawable
from kasm_recd.guacamole.transfers import transfer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kasm_recd.guacamole.layers import Layers
    from kasm_recd.guacamole.path_instructions import Drawn


def _copy(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    source, left, top, width, height, mask, target, x, y = numbers(args, 9)
    layer = layers.at(target)
    layer.set_mask(mask)
    return layer, layer.copy(layers.at(source), Rect.sized(left, top, width, height), x, y)


def _transfer(layers: Layers, args: tuple[bytes, ...]) -> Drawn:
    source, left, top, width, height, function, target, x, y = numbers(args, 9)
    transfer = transfer_of(function)
    if transfer is None:
        raise Undrawable(f"no function {function}")
    layer, part = layers.at(target), Rect.sized(left, top, width, height)
    return layer, layer.transfer(layers.at(source), part, x, y, transfer)


PIXEL_INSTRUCTIONS: Final[Mapping[str, Callable[[Layers, tuple[bytes, ...]], Drawn]]] = (
    MappingProxyType({"copy": _copy, "transfer": _transfer})
)
