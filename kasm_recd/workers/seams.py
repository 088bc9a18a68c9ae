"""Where a body ends, and what is in it: by reading all of it, or at a glance at its ends."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeGuard

from kasm_recd.contents import Contents, Damage, contents_to_json
from kasm_recd.guacamole.contents import Summary, summarise
from kasm_recd.guacamole.instructions import Instruction, Reader, encode, read
from kasm_recd.guacamole.tails import last_sync
from kasm_recd.guacamole.timeline import AGREED_SILENCE_MS, DOUBTFUL_SILENCE_MS, follows
from kasm_recd.workers.bounds import GLANCE
from kasm_recd.workers.files import pieces

__all__ = ["Seam", "contents_to_json", "glance", "newest_sync", "prelude_of", "read_all"]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.workers.bounds import Limits

#: So much of a body's end is looked at, until its last ``sync`` can be told.
TAILS: Final = (512 * 1024, 2 * 1024 * 1024, GLANCE)
#: So far before the limit the contents are noted at every ``sync``; the last one is hardly earlier.
NEAR: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seam:
    """A place to cut at: its offset, the contents up to it, and the time of its ``sync``."""

    end: int
    contents: Contents
    timestamp: int | None


def glance(
    source: int, start: int, end: int, limits: Limits | None, after_sync: int | None
) -> Seam | None:
    """The seam by a look at both ends of what is to be cut; None where all of it has to be read.

    The contents have its first and its last ``sync`` and are to be surveyed. ``after_sync`` is when
    the preamble before ``start`` ends, in guacd's milliseconds.
    """
    until = min(end, start + limits.wanted) if limits else end
    if until - start <= GLANCE:
        return None
    first = _first_sync(source, start) if after_sync is None else after_sync
    for length in TAILS:
        tail = last_sync(os.pread(source, length, until - length), until - length)
        if tail is None or first is None:
            continue
        silence = AGREED_SILENCE_MS if tail.confirmed else DOUBTFUL_SILENCE_MS
        if follows(tail.timestamp, first, silence):
            contents = Contents(first, tail.timestamp, sync_count=2, surveyed=False)
            return Seam(tail.end if limits else end, contents, tail.timestamp)
    return None


def _first_sync(source: int, start: int) -> int | None:
    """The first ``sync`` from ``start`` on, if one is near."""
    reader = Reader(offset=start)
    for piece in pieces(source, start, start + GLANCE):
        for found in reader.feed(piece):
            if is_seam(found):
                return int(found.args[0])
    return None


def newest_sync(source: int, after: int) -> int | None:
    """The last ``sync`` of the file, if one lies behind ``after`` and in the file's end."""
    size = os.fstat(source).st_size
    tail = max(after, size - TAILS[0])
    if tail > after and (found := last_sync(os.pread(source, TAILS[0], tail), tail)):
        return found.timestamp
    return summarise(read(pieces(source, max(after, size - GLANCE)))).last_sync


def is_seam(found: Instruction | Damage) -> TypeGuard[Instruction]:
    """Whether a body may end after ``found``."""
    return isinstance(found, Instruction) and found.opcode == "sync" and not found.doubtful


def prelude_of(timestamp: int | None, display: tuple[int, int] | None) -> bytes:
    """What stands for a preamble where only its end counts."""
    size = encode("size", 0, *display) if display else b""
    return size + (encode("sync", timestamp) if timestamp is not None else b"")


def read_all(source: int, start: int, end: int, limits: Limits | None, prelude: bytes) -> Seam:
    """The seam, and the contents up to it behind ``prelude``, by reading all of it."""
    reading = _Reading(source, start, prelude)
    return reading.to_the_end(end) if limits is None else reading.to_a_seam(end, limits)


class _Reading:
    """One way through the bytes from ``start`` on, with a prelude before them."""

    def __init__(self, source: int, start: int, prelude: bytes) -> None:
        self._source = source
        self._start = start
        self._prelude = prelude
        self._summary = Summary()
        self._reader = Reader(offset=start - len(prelude))
        self._told = start  # all before it has been told of
        for found in self._reader.feed(prelude):
            self._summary.note(found)

    def to_the_end(self, end: int) -> Seam:
        """All of it."""
        for piece in self._pieces(end):
            for found in self._reader.feed(piece):
                self._summary.note(found)
        return self._closed(end)

    def to_a_seam(self, end: int, limits: Limits) -> Seam:
        """The best place to cut at; the seam is at the start where there is none yet."""
        wanted, hard = self._start + limits.wanted, self._start + limits.hard
        best, noted, position = Seam(self._start, Contents(), None), False, self._start
        for piece in self._pieces(min(end, hard)):
            position += len(piece)
            for found in self._reader.feed(piece):
                if found.end > wanted and best.end > self._start:
                    break
                self._summary.note(found)
                self._told = found.end
                if is_seam(found):
                    noted = found.end > wanted - NEAR
                    contents = self._summary.contents if noted else Contents()
                    best = Seam(found.end, contents, int(found.args[0]))
            if best.end > self._start and position >= wanted:
                break
        if best.end == self._start and position >= hard:
            return self._between_syncs(wanted, hard)
        best = best if noted else replace(best, contents=self._again(best.end))
        if best.end > wanted:
            return _oversize(best, wanted, "no sync within the segment size")
        return best

    def _again(self, end: int) -> Contents:
        """The contents of a body that is cut shorter than what was read."""
        reader = Reader(offset=self._start - len(self._prelude))
        parts = (self._prelude, *self._pieces(end))
        return summarise(found for piece in parts for found in reader.feed(piece))

    def _between_syncs(self, wanted: int, hard: int) -> Seam:
        reason = f"no sync within {hard - self._start} bytes: cut between two"
        if self._told > self._start:
            contents = self._summary.contents
            return _oversize(Seam(self._told, contents, contents.last_sync), wanted, reason)
        return _oversize(self._closed(hard), wanted, reason)

    def _closed(self, end: int) -> Seam:
        for found in self._reader.close():
            self._summary.note(found)
        contents = self._summary.contents
        return Seam(end, contents, contents.last_sync)

    def _pieces(self, end: int) -> Iterator[bytes]:
        return pieces(self._source, self._start, end)


def _oversize(seam: Seam, wanted: int, reason: str) -> Seam:
    place = Damage(min(wanted, seam.end), seam.end, "oversize", reason)
    damage = sorted((*seam.contents.damage, place), key=lambda each: each.start)
    return replace(seam, contents=replace(seam.contents, damage=tuple(damage)))
