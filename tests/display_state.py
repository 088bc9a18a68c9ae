"""All that a display will ever show or do depends on, as values that can be compared.

Not part of it: how many layers were made before, where a canvas was drawn on and is transparent
again, whether a path that holds nothing is open, whether a buffer that holds nothing exists, the
damage and the counts of instructions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kasm_recd.guacamole.budget import Budget
from kasm_recd.guacamole.layers import Layer

if TYPE_CHECKING:
    from kasm_recd.guacamole.canvas import Canvas
    from kasm_recd.guacamole.display import Display


def state(display: Display) -> dict[str, Any]:
    """Field -> value."""
    pointer, streams = display.pointer, display.streams
    alive = [layer for layer in display.layers if layer.index >= 0]
    fields: dict[str, Any] = {
        "pointer": (pointer.position, pointer.hotspot),
        "pointer's picture": _pixels(pointer.canvas),
        "media": {index: (media.opcode, media.args) for index, media in streams.media.items()},
        "images": {
            index: (image.layer.index, image.x, image.y, image.mimetype, bytes(image.data))
            for index, image in streams.images.items()
        },
        "nested": dict(display.nested.begun),
        "picture": display.picture().tobytes(),
    }
    for layer in display.layers:
        canvas = _canvas(layer)
        if layer.index >= 0 or canvas != _canvas(Layer(layer.index, Budget())):
            fields[f"canvas {layer.index}"] = canvas
    for layer in alive:
        fields[f"layer {layer.index}"] = (
            (layer.x, layer.y, layer.z, layer.alpha, layer.matrix),
            layer.parent.index if layer.parent in alive and layer.parent else None,
            [child.index for child in layer.children.values()],
        )
    return fields


def _canvas(canvas: Layer) -> dict[str, Any]:
    return {
        "pixels": _pixels(canvas),
        "path": repr(canvas.path),
        "closed": canvas.path_is_closed if canvas.path else None,
        "state": (canvas.operator, canvas.operator_after_reset, canvas.line, repr(canvas.style)),
        "saved": repr(canvas.saved),
    }


def _pixels(canvas: Canvas) -> tuple[int, int, tuple[int, ...], bytes]:
    return canvas.width, canvas.height, canvas.words.shape, canvas.words.tobytes()


def differences(display: Display, other: Display) -> list[str]:
    """Which fields are not the same; empty when the displays are."""
    one, two = state(display), state(other)
    return sorted(field for field in one.keys() | two.keys() if one.get(field) != two.get(field))
