"""Real recordings split into segments that each play on their own, as the daemon would do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kasm_recd.guacamole.instructions import Instruction, read
from kasm_recd.workers.replay import replay

if TYPE_CHECKING:
    from pathlib import Path

#: Segments have so many bytes, or half of a recording that is shorter than two of them.
SEGMENT_BYTES: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Segment:
    """A playable one: preamble and body. Timestamps are those of its syncs, the cut's first."""

    path: Path
    preamble: int  # bytes
    timestamps: tuple[int, ...]


def syncs(data: bytes) -> list[tuple[int, int]]:
    """(end, timestamp) of each."""
    found = (each for each in read([data]) if isinstance(each, Instruction))
    return [(each.end, int(each.args[0])) for each in found if each.opcode == "sync"]


def _ends(found: list[tuple[int, int]], size: int) -> list[int]:
    """Where bodies end: after the last ``sync`` that fits."""
    longest, ends = min(SEGMENT_BYTES, size // 2), [0]
    for before, (end, _) in zip([(0, 0), *found], found, strict=False):
        if end - ends[-1] > longest and before[0] > ends[-1]:
            ends.append(before[0])
    return [*ends[1:], size]


def split(recording: Path, folder: Path) -> list[Segment]:
    """``recording`` as segments that each play on their own, in ``folder``."""
    data = recording.read_bytes()
    segments, start, before = [], 0, None
    for number, end in enumerate(_ends(syncs(data), len(data))):
        body, following = folder / f"{number}.body", folder / f"{number + 1}.preamble"
        body.write_bytes(data[start:end])
        preamble = before.read_bytes() if before else b""
        path = folder / f"{recording.stem}.{number}.guac"
        path.write_bytes(preamble + data[start:end])
        stamps = tuple(stamp for _, stamp in syncs(path.read_bytes()))
        segments.append(Segment(path, len(preamble), stamps))
        replay(body, following, before=before)
        start, before = end, following
    return segments
