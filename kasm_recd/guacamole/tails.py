"""The last ``sync`` of a stretch of a recording, told without reading all that lies before it.

Where reading begins in the middle, nothing says where an instruction begins: a terminal title may
hold text that looks like one. But an instruction has at most 32,768 bytes, so at least one ends, by
a semicolon, in any so many bytes of a recording. Where *every* semicolon of the first 32,768 bytes
ends an instruction of one and the same unbroken row, that row is the recording's own, and so is all
that follows in it. A semicolon anywhere else (in a title, in damage) proves nothing; then somebody
has to read from the beginning.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kasm_recd.contents import Damage
from kasm_recd.guacamole.framing import MAX_BYTES
from kasm_recd.guacamole.instructions import Reader

#: What was damaged before the stretch began throws doubt no further than this into it.
DOUBTED: Final = 2 * MAX_BYTES


class Tail(NamedTuple):
    """A ``sync``: the offset behind it, its milliseconds, and whether an earlier one agrees."""

    end: int
    timestamp: int
    confirmed: bool


def last_sync(tail: bytes, offset: int) -> Tail | None:
    """The last whole ``sync`` in ``tail``, which lies at ``offset`` of its recording.

    None where there is none, or where it cannot be told from ``tail`` alone.
    """
    begin = tail.find(b";", 0, MAX_BYTES) + 1
    if begin == 0:
        return None
    known_ends, best, syncs = 1, None, 0
    for found in Reader(offset=offset + begin).feed(tail[begin:]):
        if isinstance(found, Damage):
            return None
        known_ends += found.end <= offset + MAX_BYTES
        if found.opcode == "sync":
            syncs += 1
            if found.start >= offset + DOUBTED:
                best = found
    if best is None or known_ends != tail.count(b";", 0, MAX_BYTES):
        return None
    return Tail(best.end, int(best.args[0]), confirmed=syncs > 1)
