"""A display as instructions: told to a fresh display, they give the same state.

With a preamble before it, the second half of a recording plays on its own, in the official player
(1.5.0), in guacenc and here. What is written, in this order, and why in this order:

1. The size of layer 0, before anything that a program might show.
2. The pointer's picture, through a buffer that is disposed of before any other is made.
3. Every layer, made at 0x0 so that a new one never takes room for a default size, in the order in
   which layer 0's children came to it; first those whose parent is gone, in one that goes.
4. Sizes and pixels, those that two layers share only once. The operator is OVER for pixels, as it
   leaves what lies outside of the shape.
5. Places and opacity; the children of each parent in their order, which breaks ties of ``z``.
6. Open streams, nested ones too, with what they have received.
7. Pending paths and drawing states (see :mod:`~kasm_recd.guacamole.pen_state`).
8. The pointer's place, stamped with the time of the cut, and exactly one ``sync``. Where no time is
   known yet there is none: what follows shows it all with its own first one.

A canvas is larger than its layer (see :mod:`~kasm_recd.guacamole.canvas`) and may hold pixels out
there. A layer takes them as they are; a buffer would grow, so it gets its canvas's size first and
its own after that, which needs no other canvas and so loses nothing.
"""

from __future__ import annotations

import binascii
from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np

from kasm_recd.guacamole import images, pen_state
from kasm_recd.guacamole.compositing import OVER, mask_of, opaque
from kasm_recd.guacamole.geometry import NOWHERE, Rect
from kasm_recd.guacamole.instructions import encode
from kasm_recd.guacamole.layers import ROOT
from kasm_recd.guacamole.matrix import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from kasm_recd.guacamole.canvas import Canvas
    from kasm_recd.guacamole.display import Display
    from kasm_recd.guacamole.layers import Layer, Layers

#: libguac's limit: base64 of it fits an element of 8,192 characters, with room to spare.
BLOB_BYTES: Final = 6_048
#: Pixels that are encoded at once: a PNG of so many is below the bound of an open stream.
_BAND_PIXELS: Final = 1 << 22
#: From so many pixels on, those that another layer has too are copied from there. guacd keeps a
#: buffer with nearly the display's own picture.
_WORTH_A_COPY: Final = 1 << 12
_OVER: Final = mask_of(OVER)
_SCRATCH: Final = -1
_BEYOND: Final = 1 << 24  # right of every canvas


def write(display: Display, sync: tuple[bytes, ...]) -> Iterator[bytes]:
    """The instructions for ``display`` at a ``sync`` with the arguments ``sync``, one by one.

    Without arguments no ``sync`` is written.
    """
    layers, root = display.layers, display.layers.root
    alive = [layer for layer in layers if not _is_nothing(layer)]
    ordered = sorted(alive, key=lambda layer: layer.index)
    stream = _lowest_not_in({*display.streams.images, *display.streams.media}, 0)
    if root.operator_after_reset is not OVER:
        yield encode("size", ROOT, 0, 0)
        yield from _kept_operator(root)
    yield encode("size", ROOT, root.width, root.height)
    yield from _pointer(display, stream)
    yield from _made(layers)
    for number, layer in enumerate(ordered):
        yield from _canvas(layer, ordered[:number], stream)
    for layer in ordered:
        yield from _placed(layer)
    yield from _streams(display)
    yield from _nested(display)
    yield from _pens(display, ordered)
    if display.pointer.position is not None:
        yield encode("mouse", *display.pointer.position, 0, *sync[:1])
    if sync:
        yield encode("sync", *sync)


def _pointer(display: Display, stream: int) -> Iterator[bytes]:
    canvas = display.pointer.canvas
    hotspot = display.pointer.hotspot
    shape = _painted(canvas)
    if not shape.empty:
        yield encode("size", _SCRATCH, canvas.area.width, canvas.area.height)
        yield from _image(_SCRATCH, canvas, shape, stream)
    if shape.right > canvas.width or shape.bottom > canvas.height:
        whole = (0, 0, canvas.area.width, canvas.area.height)
        yield encode("cursor", *hotspot, _SCRATCH, *whole)
        yield encode("cursor", *hotspot, _SCRATCH, _BEYOND, 0, canvas.width, canvas.height)
    elif canvas.width or canvas.height or hotspot != (0, 0):
        yield encode("cursor", *hotspot, _SCRATCH, 0, 0, canvas.width, canvas.height)
    else:
        return
    yield encode("dispose", _SCRATCH)


def _made(layers: Layers) -> Iterator[bytes]:
    """Every layer and buffer, empty."""
    alive = sorted(layers.visible, key=lambda layer: layer.index)
    orphans = [layer for layer in alive if layer.parent not in alive and layer.index != ROOT]
    if orphans:
        grave = _lowest_not_in({layer.index for layer in orphans}, 1)
        for layer in orphans:
            yield encode("size", layer.index, 0, 0)
            yield encode("move", layer.index, grave, layer.x, layer.y, layer.z)
        yield encode("dispose", grave)
    direct = layers.root.children.values()
    nested = [layer for layer in alive if layer.parent is not layers.root and layer.parent in alive]
    buffers = [buffer for buffer in layers.buffers if not _is_nothing(buffer)]
    sorted_buffers = sorted(buffers, key=lambda layer: layer.index)
    for layer in (*direct, *nested, *sorted_buffers):
        yield encode("size", layer.index, 0, 0)


def _is_nothing(layer: Layer) -> bool:
    """Whether it is a buffer as a new one is: the player stops at one when it makes a keyframe."""
    return layer.index < ROOT and not layer.width + layer.height and pen_state.is_fresh(layer)


def _canvas(layer: Layer, finished: list[Layer], stream: int) -> Iterator[bytes]:
    """Size and pixels; those that a ``finished`` layer has as well come from there."""
    shape = _painted(layer)
    if layer.index != ROOT:
        yield from _kept_operator(layer)
        if layer.grows and (shape.right > layer.width or shape.bottom > layer.height):
            yield encode("size", layer.index, layer.area.width, layer.area.height)
            yield from _image(layer.index, layer, shape, stream)
            shape = NOWHERE
        yield encode("size", layer.index, layer.width, layer.height)
    if shape.area >= _WORTH_A_COPY and opaque(layer.words[shape.within]):
        source, changed = _nearest(layer, finished, shape)
        if source is not None:
            corner, size = (shape.left, shape.top), (shape.width, shape.height)
            yield encode("copy", source.index, *corner, *size, _OVER, layer.index, *corner)
            shape = changed
    yield from _image(layer.index, layer, shape, stream)


def _nearest(layer: Layer, finished: list[Layer], shape: Rect) -> tuple[Layer | None, Rect]:
    """The layer that looks most like ``layer`` there, and the part where it does not."""
    best, changed = None, shape
    for other in finished:
        if shape.cut_to(Rect(0, 0, other.width, other.height)) == shape:
            differs = layer.words[shape.within] != other.words[shape.within]
            part = _around(differs, shape)
            if part.area < changed.area:
                best, changed = other, part
    return best, changed


def _kept_operator(layer: Layer) -> Iterator[bytes]:
    """The operator that a reset falls back to: the one that was set when its canvas was made."""
    if layer.operator_after_reset is not OVER:
        if layer.words.shape == (0, 0):
            yield encode("size", layer.index, 1, 1)
        yield encode("cfill", mask_of(layer.operator_after_reset), layer.index, 0, 0, 0, 0)


def _painted(canvas: Canvas) -> Rect:
    """The smallest rectangle around all pixels that are not transparent."""
    drawn = canvas.drawn.cut_to(canvas.area)
    return NOWHERE if drawn.empty else _around(canvas.words[drawn.within] != 0, drawn)


def _around(wanted: NDArray[np.bool_], where: Rect) -> Rect:
    """The smallest rectangle around all that is true; ``wanted`` lies at ``where``."""
    rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    if not rows.size:
        return NOWHERE
    left, top, right, bottom = (int(at) for at in (columns[0], rows[0], columns[-1], rows[-1]))
    return Rect(left, top, right + 1, bottom + 1).moved(where.left, where.top)


def _image(index: int, canvas: Canvas, shape: Rect, stream: int) -> Iterator[bytes]:
    """The pixels of ``shape``, in bands so that memory is bounded."""
    step = max(1, _BAND_PIXELS // max(1, shape.width))
    for top in range(shape.top, shape.bottom, step):
        band = shape._replace(top=top, bottom=min(top + step, shape.bottom))
        data = images.encode(canvas.words[band.within])
        yield encode("img", stream, _OVER, index, "image/png", band.left, band.top)
        yield from _blobs(stream, data)
        yield encode("end", stream)


def _blobs(stream: int, data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), BLOB_BYTES):
        part = data[start : start + BLOB_BYTES]
        yield encode("blob", stream, binascii.b2a_base64(part, newline=False))


def _placed(layer: Layer) -> Iterator[bytes]:
    if layer.alpha != 255:  # noqa: PLR2004 - opaque
        yield encode("shade", layer.index, layer.alpha)
    if layer.matrix is not IDENTITY:
        yield encode("distort", layer.index, *map(pen_state.real, layer.matrix))
    for child in layer.children.values():
        yield encode("move", child.index, layer.index, child.x, child.y, child.z)


def _streams(display: Display) -> Iterator[bytes]:
    for index, media in display.streams.media.items():
        yield encode(media.opcode, index, *media.args)
    for index, image in display.streams.images.items():
        layer = image.layer.index
        yield encode("img", index, _OVER, layer, image.mimetype, image.x, image.y)
        yield from _blobs(index, bytes(image.data))


def _nested(display: Display) -> Iterator[bytes]:
    """What nested streams have brought of an instruction."""
    for index, begun in display.nested.begun.items():
        text = begun.decode()
        for start in range(0, len(text), BLOB_BYTES):
            yield encode("nest", index, text[start : start + BLOB_BYTES])


def _pens(display: Display, layers: list[Layer]) -> Iterator[bytes]:
    used = [layer for layer in layers if not pen_state.is_fresh(layer)]
    if used:
        awaited = [image.layer for image in display.streams.images.values()]
        empty = -_lowest_not_in({-layer.index for layer in (*layers, *awaited)}, 1)
        for layer in used:
            yield from pen_state.tell(layer, empty)
        yield encode("dispose", empty)


def _lowest_not_in(taken: set[int], lowest: int) -> int:
    return next(index for index in count(lowest) if index not in taken)
