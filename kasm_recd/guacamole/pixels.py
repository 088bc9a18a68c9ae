"""Arrays of pixels, and views onto them.

A picture is an array of rows of 32-bit words, one a pixel, whose four bytes in memory are red,
green, blue and alpha; the colours are already multiplied by alpha. That way a fill or an opaque
copy moves one word a pixel, and only what is really translucent is calculated byte by byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Words: TypeAlias = "NDArray[np.uint32]"
Bytes: TypeAlias = "NDArray[np.uint8]"


def octets(words: Words) -> Bytes:
    """The same pixels as rows x columns x RGBA; a view."""
    return words.view(np.uint8).reshape(*words.shape, 4)


def words_of(pixels: Bytes) -> Words:
    """Rows x columns x RGBA as words; a view."""
    return pixels.view(np.uint32)[..., 0]


def plane_of(buffer: memoryview, *, width: int, height: int, stride: int) -> Bytes:
    """``height`` rows of ``width`` bytes that lie ``stride`` bytes apart in ``buffer``; a view."""
    samples: Bytes = np.frombuffer(buffer, np.uint8)
    return samples.reshape(-1, stride)[:height, :width]
