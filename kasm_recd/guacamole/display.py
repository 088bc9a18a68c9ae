"""Instructions to pictures: the display of a recording, as the official player would show it.

The reference is guacamole-common-js 1.5.0, the newest release of the player; facts about it that
pictures depend on stand in :mod:`~kasm_recd.guacamole.canvas` and ``layers``. The instructions are
those of https://guacamole.apache.org/doc/gug/protocol-reference.html.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from kasm_recd.contents import Damage
from kasm_recd.guacamole import limits
from kasm_recd.guacamole.arguments import numbers, take
from kasm_recd.guacamole.geometry import Rect
from kasm_recd.guacamole.images import decode
from kasm_recd.guacamole.layers import ROOT, Layer, Layers
from kasm_recd.guacamole.limits import Undrawable, checked_number
from kasm_recd.guacamole.nesting import NestedStreams
from kasm_recd.guacamole.path_instructions import PATH_INSTRUCTIONS, matrix_of
from kasm_recd.guacamole.pictures import Picture, header
from kasm_recd.guacamole.pixel_instructions import PIXEL_INSTRUCTIONS
from kasm_recd.guacamole.pixels import octets
from kasm_recd.guacamole.screen import Pointer, Screen
from kasm_recd.guacamole.streams import ImageStream, MediaStream, Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kasm_recd.guacamole.instructions import Instruction
    from kasm_recd.guacamole.pixels import Bytes, Words

#: Nothing of these is ever seen, so that none is missed.
UNSEEN: Final = frozenset(
    ("ack", "argv", "clipboard", "file", "key", "log", "msg", "name", "nop", "pipe", "sync")
)
#: What is about one layer and draws on it, or is about to.
_DRAWING: Final = {**PATH_INSTRUCTIONS, **PIXEL_INSTRUCTIONS}


class Display:
    """What a viewer of the recording sees after the instructions applied so far.

    ``version`` rises whenever that may have changed. ``ignored`` counts instructions that are not
    drawn, by opcode; ``damage`` names those that were refused, at most ``limits.DAMAGES`` of them.
    """

    def __init__(self) -> None:
        self.version = 0
        self.ignored: Counter[str] = Counter()
        self.damage: list[Damage] = []
        self.layers = Layers()
        self.pointer = Pointer(self.layers.budget)
        self.streams = Streams()
        self.nested = NestedStreams()
        self._depth = 0
        self._screen = Screen(self.layers.root, self.pointer)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of layer 0; (0, 0) until the recording gives it one."""
        return self.layers.root.width, self.layers.root.height

    def apply(self, instruction: Instruction) -> None:
        """Do what ``instruction`` says; one that cannot be done is named in ``damage``."""
        self._applied = instruction
        opcode = instruction.opcode
        try:
            if (draw := self._INSTRUCTIONS.get(opcode)) is not None:
                draw(self, instruction.args)
            elif (say := _DRAWING.get(opcode)) is not None:
                self._drawn(*say(self.layers, instruction.args))
            elif opcode not in UNSEEN:
                self.ignored[opcode] += 1
        except Undrawable as refusal:
            self._note(instruction, str(refusal))

    def picture(self, *, pointer: bool = True) -> Bytes:
        """What is seen, height x width x RGB, without or with the mouse pointer; a copy."""
        return octets(self.paint(pointer=pointer))[..., :3].copy()

    def paint(self, *, pointer: bool = True) -> Words:
        """As :meth:`picture`, but height x width words of RGBA, valid until the next call."""
        return self._screen.paint(pointer=pointer)

    def take_changed(self) -> list[Rect]:
        """Where what :meth:`paint` gave back has changed since this was last asked."""
        return self._screen.take_changed()

    def _note(self, instruction: Instruction, reason: str) -> None:
        """Name ``instruction`` in the damage, which is in the order of the stream."""
        if len(self.damage) < limits.DAMAGES:
            said = f"{instruction.opcode}: {reason}"
            damage = Damage(instruction.start, instruction.end, "unsupported", said)
            insort(self.damage, damage, key=attrgetter("start"))

    def _draw_image(self, stream: ImageStream) -> Rect:
        """Draw an image that has come, when it is looked at if that can wait."""
        data = bytes(stream.data)
        known = header(data) if stream.layer.draws_later else None
        if known is None:
            return stream.layer.draw(decode(data), stream.x, stream.y)
        refused = partial(self._note, self._applied)
        picture = Picture(data, known, self.layers.budget.held, refused)
        return stream.layer.draw_later(picture, stream.x, stream.y)

    def _drawn(self, layer: Layer, changed: Rect) -> None:
        """``changed`` of ``layer`` looks different now."""
        if layer.index >= ROOT and not changed.empty:
            self.version += 1
            self._screen.touch(layer, changed)

    @contextmanager
    def _rearranging(self, layer: Layer) -> Iterator[None]:
        """``layer`` looks or lies otherwise after the ``with`` block; a buffer is never seen."""
        if layer.index < ROOT:
            yield
            return
        with self._screen.rearranging(layer):
            yield
        self.version += 1

    # -- one method an instruction; its arguments are those of the protocol -------------------

    def _blob(self, args: tuple[bytes, ...]) -> None:
        index, data = take(args, 2)
        self.streams.receive(checked_number(index), data)

    def _cursor(self, args: tuple[bytes, ...]) -> None:
        x, y, source, left, top, width, height = numbers(args, 7)
        canvas = self.pointer.canvas
        canvas.resize(width, height)
        canvas.copy(self.layers.at(source), Rect.sized(left, top, width, height), 0, 0)
        self.pointer.hotspot = (x, y)
        self._pointed()

    def _dispose(self, args: tuple[bytes, ...]) -> None:
        (index,) = numbers(args, 1)
        if index == ROOT:
            return
        layer = self.layers.at(index)
        self.streams.drop_to(layer)
        with self._rearranging(layer):
            self.layers.dispose(index)

    def _end(self, args: tuple[bytes, ...]) -> None:
        (index,) = numbers(args, 1)
        stream = self.streams.end(index)
        if stream is not None:
            self._drawn(stream.layer, self._draw_image(stream))

    def _img(self, args: tuple[bytes, ...]) -> None:
        stream, mask, index, mimetype, left, top = take(args, 6)
        layer = self.layers.at(checked_number(index))
        layer.set_mask(checked_number(mask))
        image = ImageStream(layer, checked_number(left), checked_number(top), mimetype)
        self.streams.open(checked_number(stream), image)

    def _mouse(self, args: tuple[bytes, ...]) -> None:
        x, y = numbers(args, 2)
        self.pointer.position = (x, y)
        self._pointed()

    def _move(self, args: tuple[bytes, ...]) -> None:
        index, parent, x, y, z = numbers(args, 5)
        if index <= ROOT or parent < ROOT:
            return
        layer = self.layers.at(index)
        with self._rearranging(layer):
            layer.move(self.layers.at(parent), x, y, z)

    def _shade(self, args: tuple[bytes, ...]) -> None:
        index, alpha = numbers(args, 2)
        if index < ROOT:
            return
        layer = self.layers.at(index)
        with self._rearranging(layer):
            layer.alpha = min(max(alpha, 0), 255)

    def _size(self, args: tuple[bytes, ...]) -> None:
        index, width, height = numbers(args, 3)
        layer = self.layers.at(index)
        with self._rearranging(layer):
            layer.resize(width, height)

    def _audio(self, args: tuple[bytes, ...]) -> None:
        index, mimetype = take(args, 2)
        self.streams.play(checked_number(index), MediaStream("audio", (mimetype,)))

    def _video(self, args: tuple[bytes, ...]) -> None:
        """Never shown; guacd has stopped sending it."""
        index, layer, mimetype = take(args, 3)
        self.streams.play(checked_number(index), MediaStream("video", (layer, mimetype)))

    def _pointed(self) -> None:
        if self.pointer.position is not None:
            self.version += 1

    def _distort(self, args: tuple[bytes, ...]) -> None:
        index, matrix = matrix_of(args)
        if index < ROOT:
            return
        layer = self.layers.at(index)
        with self._rearranging(layer):
            layer.distort(matrix)

    def _nest(self, args: tuple[bytes, ...]) -> None:
        """A piece of a stream within the stream; its instructions are done like any other."""
        index, text = take(args, 2)
        if self._depth >= limits.NESTED:
            raise Undrawable(f"streams nested more than {limits.NESTED} deep")
        outer = self._applied
        self._depth += 1
        try:
            for opcode, inner in self.nested.receive(checked_number(index), text):
                self.apply(outer._replace(opcode=opcode, args=inner))
        finally:
            self._depth -= 1
            self._applied = outer

    _INSTRUCTIONS: ClassVar[Mapping[str, Callable[[Display, tuple[bytes, ...]], None]]] = (
        MappingProxyType(
            {
                "audio": _audio,
                "blob": _blob,
                "cursor": _cursor,
                "dispose": _dispose,
                "distort": _distort,
                "end": _end,
                "img": _img,
                "mouse": _mouse,
                "move": _move,
                "nest": _nest,
                "shade": _shade,
                "size": _size,
                "video": _video,
            }
        )
    )
