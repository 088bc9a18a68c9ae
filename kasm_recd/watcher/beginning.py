"""Is this file a recording? A judgement on its first 64 bytes, and all that the daemon parses."""

from __future__ import annotations

import re
from typing import Final

from kasm_recd.guacamole.opcodes import OPCODES

#: How many bytes of a file are looked at.
LOOKED_AT: Final = 64

_LENGTH: Final = re.compile(rb"(\d{1,5})(\.?)")


def begins_recording(head: bytes) -> bool | None:
    """Whether ``head`` begins a Guacamole instruction (``4.size,``); None while it is too short.

    The opcode must be one that guacd writes, and its length must be right.
    """
    head = head[:LOOKED_AT]
    if not head:
        return None
    found = _LENGTH.match(head)
    if found is None:
        return False
    length, dot = found.groups()
    if not dot:
        return None if found.end() == len(head) and len(length) < len(b"12345") else False
    opcode = head[found.end() : found.end() + int(length)]
    end = head[found.end() + int(length) :][:1]
    if end:
        return opcode.decode("latin-1") in OPCODES and end in b",;"
    expected = (name for name in OPCODES if len(name) == int(length))
    return None if any(name.encode().startswith(opcode) for name in expected) else False
