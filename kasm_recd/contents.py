"""What a segment holds, as a worker read it, and what of it is damaged; as values.

Apart from the segments themselves, whose states and moves no worker needs to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes ``start`` to ``end`` of a recording that could not be read, or cannot be trusted.

    ``kind`` is ``invalid``, ``torn`` (the file ends inside an instruction), ``doubtful`` (read
    after an invalid one, before the next ``sync``), ``unsupported`` or ``oversize`` (no ``sync``
    where a cut was due: nothing is lost, but the segment is larger than it should be).
    """

    start: int
    end: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a segment holds, as the cut worker read it; timestamps are guacd's milliseconds.

    Of a segment that does not begin its recording, the ``sync`` and the display at its preamble's
    end count as its first. ``end_width`` and ``end_height`` are the display's at its own end.
    ``surveyed`` is false where only the ends were read: then ``first_sync`` and ``last_sync`` are
    right as far as those show, and nothing else is known.
    """

    first_sync: int | None = None
    last_sync: int | None = None
    sync_count: int = 0
    longest_gap_ms: int = 0
    width: int = 0
    height: int = 0
    drawn: bool = False
    contains_keys: bool = False
    contains_audio: bool = False
    damage: tuple[Damage, ...] = ()
    end_width: int = 0
    end_height: int = 0
    surveyed: bool = True

    @property
    def empty(self) -> bool:
        """Known to have nothing that a clip could show: no picture, no size, or no ``sync``."""
        shows = self.drawn and self.sync_count and self.width and self.height
        return self.surveyed and not shows


@dataclass(frozen=True, slots=True)
class Survey:
    """What reading all of a body found: what it holds behind its preamble, and its SHA-256."""

    contents: Contents
    sha256: str


def contents_to_json(contents: Contents) -> dict[str, Any]:
    """``contents`` as plain values, the damage as a list of such; JSON can hold them."""
    plain = asdict(contents)
    return plain | {"damage": list(plain["damage"])}


def contents_from_json(plain: Mapping[str, Any]) -> Contents:
    """The inverse of :func:`contents_to_json`; raises TypeError for any other shape."""
    if not isinstance(plain, Mapping):
        raise TypeError(f"contents are {plain!r:.200}")
    damage = tuple(Damage(**place) for place in plain.get("damage", ()))
    return Contents(**{**plain, "damage": damage})
