"""Small displays for tests: say an instruction, look at a pixel."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, encode, read

if TYPE_CHECKING:
    from kasm_recd.guacamole.pixels import Bytes

CLEAR, OVER, SRC = (0, 0, 0, 0), 14, 12
RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)
Colour = tuple[int, int, int, int]


def instruction(opcode: str, *args: str | bytes | int) -> Instruction:
    """As the reader would give it out."""
    (found,) = read([encode(opcode, *args)])
    assert isinstance(found, Instruction)
    return found


def encoded(pixels: Bytes, kind: str = "PNG") -> bytes:
    """Rows x columns x RGB or RGBA as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, lossless=True)
    return file.getvalue()


def plain(width: int, height: int, colour: Colour) -> Bytes:
    """A picture of one colour."""
    return np.full((height, width, 4), colour, np.uint8)


class Painter:
    """A display that is told instructions one by one."""

    def __init__(self, width: int = 8, height: int = 8) -> None:
        self.display = Display()
        self.say("size", 0, width, height)

    def say(self, opcode: str, *args: str | bytes | int) -> None:
        self.display.apply(instruction(opcode, *args))

    def fill(
        self, layer: int, at: tuple[int, int, int, int], colour: Colour, mask: int = OVER
    ) -> None:
        """``at`` is x, y, width, height."""
        self.say("rect", layer, *at)
        self.say("cfill", mask, layer, *colour)

    def image(
        self, layer: int, at: tuple[int, int], data: bytes, *, mask: int = OVER, stream: int = 1
    ) -> None:
        self.say("img", stream, mask, layer, "image/png", *at)
        self.say("blob", stream, base64.b64encode(data))
        self.say("end", stream)

    def pixel(self, x: int, y: int, *, pointer: bool = False) -> tuple[int, ...]:
        """What is seen there, RGB."""
        return tuple(self.display.picture(pointer=pointer)[y, x].tolist())

    def inside(self, layer: int, x: int, y: int) -> tuple[int, ...]:
        """What a layer's or buffer's canvas has there, RGBA premultiplied."""
        word = self.display.layers.at(layer).words[y, x]
        return tuple(np.array([word]).view(np.uint8).tolist())

    @property
    def refusals(self) -> list[str]:
        """Why instructions were refused."""
        assert all(damage.kind == "unsupported" for damage in self.display.damage)
        return [damage.reason for damage in self.display.damage]
