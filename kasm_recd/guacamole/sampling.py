"""Pictures under a transformation: each pixel mixed of the four that lie around its origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kasm_recd.guacamole.pixels import octets
from kasm_recd.guacamole.raster import bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kasm_recd.guacamole.geometry import Rect
    from kasm_recd.guacamole.matrix import Matrix
    from kasm_recd.guacamole.pixels import Words


def sample(picture: Words, matrix: Matrix, where: Rect, *, repeated: bool) -> Words:
    """``picture`` as seen in the pixels ``where``, whose points ``matrix`` brings to its own.

    Beyond its edges it is ``repeated``, or has the colour of the edge.
    """
    result = np.empty((where.height, where.width), np.uint32)
    x = np.arange(where.left, where.right) + 0.5
    for band in bands(where.height, where.width):
        y = np.arange(where.top, where.bottom)[band, None] + 0.5
        across = matrix.a * x + matrix.c * y + matrix.e - 0.5
        down = matrix.b * x + matrix.d * y + matrix.f - 0.5
        result[band] = _mixed(picture, across, down, repeated=repeated)
    return result


def _mixed(
    picture: Words, x: NDArray[np.float64], y: NDArray[np.float64], *, repeated: bool
) -> Words:
    left, top = np.floor(x), np.floor(y)
    right_share, lower_share = ((x - left)[..., None], (y - top)[..., None])
    columns, rows = (
        [_inside(at + step, size, repeated=repeated) for step in (0, 1)]
        for at, size in ((left, picture.shape[1]), (top, picture.shape[0]))
    )
    upper, lower = (
        octets(picture[row, columns[0]]) * (1 - right_share)
        + octets(picture[row, columns[1]]) * right_share
        for row in rows
    )
    mixed = upper * (1 - lower_share) + lower * lower_share
    words: Words = np.ascontiguousarray(mixed + 0.5, np.uint8).view(np.uint32)[..., 0]
    return words


def _inside(at: NDArray[np.float64], size: int, *, repeated: bool) -> NDArray[np.int64]:
    near = at % size if repeated else np.clip(at, 0, size - 1)
    return near.astype(np.int64)
