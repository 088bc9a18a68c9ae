"""The functions of ``transfer``: source and destination colours combined bit by bit.

They are those of the protocol reference, done as the official player does them: on colours that
are not multiplied by alpha. Alpha stays the destination's, except where nothing but the source
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from kasm_recd.guacamole.compositing import premultiplied, unmultiplied
from kasm_recd.guacamole.pixels import Words, octets, words_of

if TYPE_CHECKING:
    from kasm_recd.guacamole.pixels import Bytes

Transfer: TypeAlias = Callable[[Words, Words], Words]

_SOURCE: Final = 0x3
_DESTINATION: Final = 0x5
_INVERTED_SOURCE: Final = 0xC

#: Function -> colours of source and destination to the new colours.
_COLOURS: Final[Mapping[int, Callable[[Bytes, Bytes], Bytes]]] = MappingProxyType(
    {
        0x0: lambda _source, target: np.zeros_like(target),
        0x1: lambda source, target: source & target,
        0x2: lambda source, target: source & ~target,
        0x4: lambda source, target: ~source & target,
        0x6: lambda source, target: source ^ target,
        0x7: lambda source, target: source | target,
        0x8: lambda source, target: ~(source | target),
        0x9: lambda source, target: ~(source ^ target),
        0xA: lambda _source, target: ~target,
        0xB: lambda source, target: source | ~target,
        0xC: lambda source, _target: ~source,
        0xD: lambda source, target: ~source | target,
        0xE: lambda source, target: ~(source & target),
        0xF: lambda _source, target: np.full_like(target, 255),
    }
)


def transfer_of(function: int) -> Transfer | None:
    """What that number stands for: pictures of one shape to a new one; None for none."""
    if function == _SOURCE:
        return lambda source, _target: source
    if function == _DESTINATION:
        return lambda _source, target: target
    if function not in _COLOURS:
        return None
    combine = _COLOURS[function]

    def transfer(source: Words, target: Words) -> Words:
        above, below = unmultiplied(octets(source)), unmultiplied(octets(target.copy()))
        result = above.copy() if function == _INVERTED_SOURCE else below.copy()
        result[..., :3] = combine(above[..., :3], below[..., :3])
        return words_of(premultiplied(result))

    return transfer
