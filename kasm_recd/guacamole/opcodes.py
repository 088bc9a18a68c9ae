"""The opcodes that guacd writes into a recording, and how many arguments each has at least.

From the public protocol reference (https://guacamole.apache.org/doc/gug/protocol-reference.html).
Later releases have added arguments, as ``sync`` shows, and never taken one away. Outside of damage
an unknown opcode is read like any other; after damage only these are trusted to begin anew.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_DRAWING = {
    "arc": 7,
    "cfill": 6,
    "clip": 1,
    "close": 1,
    "copy": 9,
    "cstroke": 9,
    "cursor": 7,
    "curve": 7,
    "dispose": 1,
    "distort": 7,
    "identity": 1,
    "lfill": 3,
    "line": 3,
    "lstroke": 6,
    "move": 5,
    "pop": 1,
    "push": 1,
    "rect": 5,
    "reset": 1,
    "set": 3,
    "shade": 2,
    "size": 3,
    "start": 3,
    "transfer": 9,
    "transform": 7,
}
_STREAMING = {
    "ack": 3,
    "argv": 3,
    "audio": 2,
    "blob": 2,
    "body": 4,
    "clipboard": 2,
    "end": 1,
    "file": 3,
    "filesystem": 2,
    "img": 6,
    "nest": 2,
    "pipe": 3,
    "undefine": 1,
    "video": 3,
}
_CONTROL = {
    "disconnect": 0,
    "error": 2,
    "key": 2,
    "log": 1,
    "mouse": 2,
    "msg": 1,
    "name": 1,
    "nop": 0,
    "ready": 1,
    "required": 1,
    "sync": 1,
    "touch": 8,
}

#: Opcode -> the number of arguments that it has at least.
OPCODES: Final[Mapping[str, int]] = MappingProxyType(_DRAWING | _STREAMING | _CONTROL)
