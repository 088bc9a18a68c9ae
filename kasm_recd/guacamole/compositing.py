"""Porter-Duff operators on premultiplied 8-bit RGBA, as the protocol's channel masks name them.

Products are rounded as Skia does it, which draws the canvases of the official player in Chromium:
measured there over all operators, and equal to the last bit (tests/test_display_compositing.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from kasm_recd.guacamole.pixels import octets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from kasm_recd.guacamole.pixels import Bytes, Words

_Halves: TypeAlias = "NDArray[np.uint16]"

#: Rows are blended in strips of about this many pixels: the intermediate 16-bit arrays then stay
#: in the processor's cache, and small, however large the picture is.
_STRIP: Final = 1 << 15


@lru_cache(maxsize=1_024)
def word(red: int, green: int, blue: int, alpha: int) -> np.uint32:
    """The pixel of that colour, given not yet multiplied by ``alpha``; each taken as 0 to 255."""
    *colours, alpha = (min(max(value, 0), 255) for value in (red, green, blue, alpha))
    colours = [(value * alpha + 127) // 255 for value in colours]
    return np.array([*colours, alpha], np.uint8).view(np.uint32)[0]  # type: ignore[no-any-return]


CLEAR: Final = word(0, 0, 0, 0)
_ALPHA: Final = word(0, 0, 0, 255)
_WHOLE: Final = np.uint32(256)
_BYTE: Final = np.uint32(8)  # in bits
_EVEN: Final = np.uint32(0x00FF00FF)  # every other byte of a word
_ODD: Final = np.uint32(0xFF00FF00)


class Factor(Enum):
    """By what a source or a destination pixel is multiplied before the two are added."""

    ZERO = auto()
    ONE = auto()
    ALPHA = auto()  # the other picture's alpha
    REST = auto()  # what the other picture's alpha leaves: 1 - alpha

    @property
    def varies(self) -> bool:
        """It differs from pixel to pixel."""
        return self in (Factor.ALPHA, Factor.REST)

    def weight(self, alpha: Bytes) -> _Halves:
        """The factor, 0 to 255, where the other picture has ``alpha``."""
        if self is Factor.ALPHA:
            return alpha.astype(np.uint16)
        if self is Factor.REST:
            return np.uint16(255) - alpha
        return np.array([0 if self is Factor.ZERO else 255], np.uint16)


@dataclass(frozen=True, slots=True)
class Operator:
    """source * ``source`` + destination * ``destination``."""

    source: Factor
    destination: Factor

    @property
    def clears(self) -> bool:
        """A transparent source changes the destination, so all outside the shape is cleared."""
        return self.destination in (Factor.ZERO, Factor.ALPHA)


OVER: Final = Operator(Factor.ONE, Factor.REST)
SRC: Final = Operator(Factor.ONE, Factor.ZERO)

#: Channel mask -> operator. The player leaves the operator as it was for any other mask.
OPERATORS: Final[Mapping[int, Operator]] = MappingProxyType(
    {
        0x1: Operator(Factor.ZERO, Factor.ALPHA),
        0x2: Operator(Factor.ZERO, Factor.REST),
        0x4: Operator(Factor.ALPHA, Factor.ZERO),
        0x6: Operator(Factor.ALPHA, Factor.REST),
        0x8: Operator(Factor.REST, Factor.ZERO),
        0x9: Operator(Factor.REST, Factor.ALPHA),
        0xA: Operator(Factor.REST, Factor.REST),
        0xB: Operator(Factor.REST, Factor.ONE),
        0xC: SRC,
        0xE: OVER,
        0xF: Operator(Factor.ONE, Factor.ONE),
    }
)


def mask_of(operator: Operator) -> int:
    """The channel mask that names ``operator``."""
    return next(mask for mask, named in OPERATORS.items() if named is operator)


def premultiplied(pixels: Bytes, *, truncated: bool = False) -> Bytes:
    """Rows x columns x RGBA with the colours multiplied by alpha, rounded to nearest or down."""
    alpha = pixels[..., 3:]
    product: _Halves = pixels[..., :3].astype(np.uint16)
    product *= alpha
    result = np.empty_like(pixels)
    result[..., :3] = product // 255 if truncated else _by_255(product)
    result[..., 3:] = alpha
    return result


def unmultiplied(pixels: Bytes) -> Bytes:
    """The inverse of :func:`premultiplied`, which gives the same pixels again to the last bit."""
    alpha: _Halves = pixels[..., 3:].astype(np.uint16)
    result = pixels.copy()
    divisor = np.maximum(alpha, 1)
    result[..., :3] = (pixels[..., :3] * np.uint16(255) + divisor // 2) // divisor
    return result


def opaque(words: Words) -> bool:
    """No pixel is translucent."""
    return bool(np.bitwise_and.reduce(words, axis=None) & _ALPHA == _ALPHA)


def composite(target: Words, source: Words | np.uint32, operator: Operator) -> None:
    """Draw ``source``, a picture of the same shape or one colour, onto ``target`` in place."""
    if operator is SRC or (operator is OVER and _all_opaque(source)):
        target[...] = source
    elif operator is not OVER or np.any(source):
        for below, above in _strips(target, source):
            if operator is OVER:
                below[...] = _over(below, above)
            else:
                octets(below)[...] = _mix(octets(below), octets(above), operator)


def composite_faded(target: Words, source: Words, alpha: int) -> None:
    """Draw ``source`` at an opacity of ``alpha``, 0 to 255, over ``target`` in place."""
    if alpha == 0:
        return
    share = np.uint16(alpha + 1)
    for strip, faded in _strips(target, source):
        below, above = octets(strip), octets(faded)
        hiding = np.uint32(0xFFFF) - above[..., 3:] * share
        shining_through = ((hiding + (hiding >> 8)) >> 8).astype(np.uint16)
        total = above * share + below * shining_through
        total >>= 8
        below[...] = total


def _all_opaque(source: Words | np.uint32) -> bool:
    if isinstance(source, np.ndarray):
        return opaque(source)
    return is_opaque(source)


def is_opaque(colour: np.uint32) -> bool:
    """Nothing shines through ``colour``."""
    return bool(colour & _ALPHA == _ALPHA)


def _strips(target: Words, source: Words | np.uint32) -> Iterator[tuple[Words, Words]]:
    """Both, some rows at a time; what is written to the first is written to ``target``."""
    rows = max(1, _STRIP // max(1, target.shape[1]))
    picture = np.broadcast_to(source, target.shape)
    for top in range(0, target.shape[0], rows):
        strip = slice(top, top + rows)
        yield target[strip], np.ascontiguousarray(picture[strip])


def _over(below: Words, above: Words) -> Words:
    """Two bytes of a word are multiplied at once: a product of each has room where the next was."""
    shining_through: Words = octets(above)[..., 3].astype(np.uint32)
    np.subtract(_WHOLE, shining_through, out=shining_through)
    mixed = below & _EVEN
    mixed *= shining_through
    mixed >>= _BYTE
    mixed &= _EVEN
    odd = below >> _BYTE
    odd &= _EVEN
    odd *= shining_through
    odd &= _ODD
    mixed |= odd
    total = octets(mixed)
    total += octets(above)
    return mixed


def _mix(below: Bytes, above: Bytes, operator: Operator) -> _Halves:
    """The sum of both products; a single one is rounded to nearest, a sum of two upwards."""
    drawn, drawn_on = operator.source, operator.destination
    source: _Halves = above * drawn.weight(below[..., 3:])
    target: _Halves = below * drawn_on.weight(above[..., 3:])
    if drawn.varies and drawn_on.varies:
        source += target
        source += np.uint16(255)
        source >>= 8
        return source
    total = _by_255(source)
    total += _by_255(target)
    return np.minimum(total, np.uint16(255), out=total)


def _by_255(product: _Halves) -> _Halves:
    """``product`` / 255, rounded to nearest."""
    rounded = product + np.uint16(128)
    rounded += rounded >> 8
    rounded >>= 8
    return rounded
