"""Drawing through a mask: shapes with smooth edges, clips, and pictures under a transformation."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from kasm_recd.guacamole import raster
from kasm_recd.guacamole.compositing import CLEAR, composite
from kasm_recd.guacamole.geometry import Rect
from kasm_recd.guacamole.matrix import IDENTITY, Matrix
from kasm_recd.guacamole.path import trace
from kasm_recd.guacamole.pixels import octets, words_of
from kasm_recd.guacamole.raster import Mask, bands
from kasm_recd.guacamole.sampling import sample
from kasm_recd.guacamole.stroke import outlines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kasm_recd.guacamole.compositing import Operator
    from kasm_recd.guacamole.path import Element
    from kasm_recd.guacamole.pixels import Bytes, Words
    from kasm_recd.guacamole.stroke import LineStyle

#: What a rectangle of the canvas is drawn with: one colour, or a picture of its size.
Paint: TypeAlias = "Callable[[Rect], Words | np.uint32]"


def filled(path: Sequence[Element], area: Rect) -> Mask:
    """What lies inside ``path``. Raises Undrawable."""
    return raster.fill([subpath.points for subpath in trace(path)], area)


def stroked(path: Sequence[Element], line: LineStyle, matrix: Matrix, area: Rect) -> Mask:
    """What a line along ``path`` covers, which is as wide as ``matrix`` makes it.

    Raises Undrawable.
    """
    back = matrix.inverse()
    along = [subpath._replace(points=back.apply(subpath.points)) for subpath in trace(path)]
    return raster.fill([matrix.apply(each) for each in outlines(along, line, matrix.scale)], area)


def clipped(clips: Sequence[Sequence[Element]], area: Rect) -> Mask:
    """What lies inside all of ``clips``, of which there is one at least. Raises Undrawable."""
    return reduce(Mask.times, (filled(path, area) for path in clips))


def placed(picture: Words, x: int, y: int, matrix: Matrix, area: Rect) -> tuple[Mask, Paint]:
    """Where ``picture``, its corner said to be at (x, y), is seen under ``matrix``, and as what."""
    rows, columns = picture.shape
    shift = matrix.shift
    if shift is not None:
        corner = x + shift[0], y + shift[1]
        bounds = Rect.sized(*corner, columns, rows).cut_to(area)
        if bounds.empty:
            return raster.NOTHING, lambda _part: CLEAR
        mask = Mask(bounds, np.full((bounds.height, bounds.width), 255, np.uint8))
        return mask, lambda part: picture[part.moved(-corner[0], -corner[1]).within]
    box = [(x, y), (x + columns, y), (x + columns, y + rows), (x, y + rows)]
    mask = raster.fill([matrix.apply(np.array(box, float))], area)
    back = Matrix(1, 0, 0, 1, -x, -y).after(matrix.inverse())
    return mask, lambda part: sample(picture, back, part, repeated=False)


def united(shapes: Sequence[Rect], bounds: Rect, ink: Paint) -> Words:
    """``ink`` in all of ``shapes``, which lie in ``bounds``, and nothing between them."""
    inked = np.broadcast_to(ink(bounds), (bounds.height, bounds.width))
    union = np.full((bounds.height, bounds.width), CLEAR)
    for shape in shapes:
        if not shape.empty:
            within = shape.moved(-bounds.left, -bounds.top).within
            union[within] = inked[within]
    return union


def tiled(tile: Words, matrix: Matrix) -> Paint:
    """``tile`` repeated in both directions from the origin, under ``matrix``."""
    if matrix is not IDENTITY:
        return lambda part: sample(tile, matrix.inverse(), part, repeated=True)
    rows, columns = tile.shape
    return lambda part: tile[
        np.arange(part.top, part.bottom)[:, None] % rows,
        np.arange(part.left, part.right) % columns,
    ]


def paint(words: Words, shape: Mask, ink: Paint, operator: Operator, clip: Mask | None) -> None:
    """Draw ``ink`` on ``words`` through ``shape`` and ``clip``, both on the canvas.

    It is done some rows at a time, so ``ink`` must not depend on ``words``.
    """
    bounds = Rect(0, 0, words.shape[1], words.shape[0]) if clip is None else clip.bounds
    if not operator.clears:
        shape = shape if clip is None else shape.times(clip)
        bounds = shape.bounds
    for rows in bands(bounds.height, bounds.width):
        strip = bounds._replace(
            top=bounds.top + rows.start, bottom=min(bounds.top + rows.stop, bounds.bottom)
        )
        target, part = words[strip.within], shape.cut_to(strip)
        if operator.clears:
            cover = None if clip is None else clip.cover[rows]
            _replace(target, _framed(strip, part, ink), operator, cover)
        elif not part.bounds.empty:
            composite(target, _share(ink(part.bounds), part.cover), operator)


def _framed(strip: Rect, shape: Mask, ink: Paint) -> Words:
    """``ink`` through ``shape``, and transparent pixels in the rest of ``strip``."""
    source = np.full((strip.height, strip.width), CLEAR)
    if not shape.bounds.empty:
        within = shape.bounds.moved(-strip.left, -strip.top).within
        source[within] = _share(ink(shape.bounds), shape.cover)
    return source


def _replace(target: Words, source: Words, operator: Operator, clip: Bytes | None) -> None:
    """Draw ``source`` where transparent pixels of it change something too."""
    drawn = target.copy()
    composite(drawn, source, operator)
    target[...] = drawn if clip is None else _between(target, drawn, clip)


def _share(source: Words | np.uint32, cover: Bytes) -> Words:
    """``source`` with so much of it, of 255, as ``cover`` says."""
    picture = np.broadcast_to(source, cover.shape)
    if (cover == 255).all():  # noqa: PLR2004 - all of it
        return picture
    pixels = octets(np.ascontiguousarray(picture)).astype(np.uint16)
    pixels *= cover[..., None]
    return words_of(_rounded(pixels))


def _between(one: Words, other: Words, share: Bytes) -> Words:
    """So much of ``other``, of 255, as ``share`` says, and the rest of ``one``."""
    share_of_other = share[..., None].astype(np.uint16)
    pixels = octets(np.ascontiguousarray(one)) * (255 - share_of_other)
    pixels += octets(other) * share_of_other
    return words_of(_rounded(pixels))


def _rounded(product: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> Bytes:
    pixels: Bytes = ((product + np.uint16(127)) // 255).astype(np.uint8)
    return pixels
