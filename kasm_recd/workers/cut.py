"""Cut a recording: its bytes from one offset to another, verbatim, and what they hold.

``python -I -m kasm_recd.workers.cut --input FILE --start N [--end N] --output BODY`` copies all
that is there. With ``--limit N --hard-limit M`` the body ends after the last ``sync`` within N
bytes; where there is none, after the first one beyond; and where M bytes hold none, after an
instruction. What cannot be cut so yet is left for later: the body then has no byte.
``--after-sync MS`` and ``--display WxH`` say what the preamble ends with, so that the contents are
those of both.

It prints ``{"length", "sha256", "contents", "timestamp", "newest_sync", "more"}``: the last
``sync`` of the body and of the whole file (guacd's milliseconds, null without), and whether bytes
are left. Offsets of damage count from the recording's beginning. BODY is on disk when it ends well,
and gone when it does not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from kasm_recd.errors import RecordingChanged
from kasm_recd.guacamole.contents import Summary, summarise
from kasm_recd.guacamole.instructions import Instruction, Reader, encode, read
from kasm_recd.segment import Contents, Damage, contents_to_json
from kasm_recd.workers.files import copy, created, opened, pieces
from kasm_recd.workers.program import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Copied at once on the way to a limit.
STEP: Final = 8 * 1024 * 1024
#: So far before the limit the contents are noted at every ``sync``; the last one is hardly earlier.
NEAR: Final = 4 * 1024 * 1024
#: So much of a file's end is searched for its newest ``sync``.
TAIL: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a body may be, in bytes: where it ends well, and at the very most."""

    wanted: int
    hard: int


@dataclass(frozen=True, slots=True)
class Seam:
    """A place to cut at: its offset, the contents up to it, and the time of its ``sync``."""

    end: int
    contents: Contents | None
    timestamp: int | None


def cut(
    recording: Path,
    body: Path,
    *,
    start: int,
    end: int | None = None,
    limits: Limits | None = None,
    prelude: bytes = b"",
) -> dict[str, Any]:
    """Copy the bytes of ``recording`` from ``start`` on to ``body``: see above.

    ``prelude`` is read before them and is not copied. Raises RecordingChanged where the recording
    is shorter than that, or shrinks, and OSError.
    """
    with opened(recording) as source, created(body) as target:
        end = os.fstat(source).st_size if end is None else end
        if end < start:
            raise RecordingChanged(f"{recording} has {end} bytes and is to be cut at {start}")
        reading = _Reading(start, prelude)
        if limits is None:
            copy(source, target, start, end - start)
            seam = reading.to_the_end(pieces(target))
        else:
            within = min(end, start + limits.hard)
            seam = reading.to_a_seam(_copied(source, target, start, within), limits)
        os.ftruncate(target, seam.end - start)
        size = os.fstat(source).st_size
        if size < end:
            raise RecordingChanged(f"{recording} shrank from {end} bytes to {size}")
        contents = seam.contents or reading.again(pieces(target))
        newest = _newest_sync(source, seam.end) if limits else None
        os.fsync(target)
        return {
            "length": seam.end - start,
            "sha256": _sha256(target),
            "contents": contents_to_json(contents),
            "timestamp": seam.timestamp,
            "newest_sync": seam.timestamp if newest is None else newest,
            "more": size > seam.end,
        }


class _Reading:
    """One way through the bytes from ``start`` on, with a prelude before them."""

    def __init__(self, start: int, prelude: bytes) -> None:
        self._start = start
        self._prelude = prelude
        self._summary = Summary()
        self._reader = Reader(offset=start - len(prelude))
        self._told = start  # all before it has been told of
        for found in self._reader.feed(prelude):
            self._summary.note(found)

    def to_the_end(self, stream: Iterator[bytes]) -> Seam:
        end = self._start
        for piece in stream:
            end += len(piece)
            for found in self._reader.feed(piece):
                self._summary.note(found)
        return self._closed(end)

    def to_a_seam(self, stream: Iterator[bytes], limits: Limits) -> Seam:
        """The best place to cut at, by the rules above."""
        wanted, hard = self._start + limits.wanted, self._start + limits.hard
        best, end = Seam(self._start, None, None), self._start
        for piece in stream:
            end += len(piece)
            for found in self._reader.feed(piece):
                if found.end > wanted and best.end > self._start:
                    break
                self._summary.note(found)
                self._told = found.end
                if _is_seam(found):
                    near = found.end > wanted - NEAR
                    contents = self._summary.contents if near else None
                    best = Seam(found.end, contents, int(found.args[0]))
            if best.end > self._start and end >= wanted:
                break
        if best.end > wanted:
            return self._oversize(best, wanted, "no sync within the segment size")
        if best.end > self._start or end < hard:
            return best
        return self._between_syncs(wanted, hard)

    def again(self, stream: Iterator[bytes]) -> Contents:
        """The contents of a body that was cut shorter than what was read."""
        reader = Reader(offset=self._start - len(self._prelude))
        return summarise(
            found for piece in (self._prelude, *stream) for found in reader.feed(piece)
        )

    def _between_syncs(self, wanted: int, hard: int) -> Seam:
        reason = f"no sync within {hard - self._start} bytes: cut between two"
        if self._told > self._start:
            timestamp = self._summary.contents.last_sync
            return self._oversize(Seam(self._told, None, timestamp), wanted, reason)
        return self._oversize(self._closed(hard), wanted, reason)

    def _oversize(self, seam: Seam, wanted: int, reason: str) -> Seam:
        contents = seam.contents or self._summary.contents
        place = Damage(min(wanted, seam.end), seam.end, "oversize", reason)
        damage = sorted((*contents.damage, place), key=lambda each: each.start)
        return replace(seam, contents=replace(contents, damage=tuple(damage)))

    def _closed(self, end: int) -> Seam:
        for found in self._reader.close():
            self._summary.note(found)
        contents = self._summary.contents
        return Seam(end, contents, contents.last_sync)


def _is_seam(found: Instruction | Damage) -> TypeGuard[Instruction]:
    return isinstance(found, Instruction) and found.opcode == "sync" and not found.doubtful


def _copied(source: int, target: int, start: int, end: int) -> Iterator[bytes]:
    """What is copied, step by step, so that no more is than has to be read."""
    for step in range(start, end, STEP):
        copy(source, target, step, min(STEP, end - step))
        yield from pieces(target, step - start)


def _newest_sync(source: int, after: int) -> int | None:
    """The last ``sync`` of the file, if one lies behind ``after`` and in the file's end."""
    begin = max(after, os.fstat(source).st_size - TAIL)
    return summarise(read(pieces(source, begin))).last_sync


def _sha256(body: int) -> str:
    digest = hashlib.sha256()
    for piece in pieces(body):
        digest.update(piece)
    return digest.hexdigest()


def prelude_of(timestamp: int | None, display: tuple[int, int] | None) -> bytes:
    """What stands for a preamble where only its end counts."""
    size = encode("size", 0, *display) if display else b""
    return size + (encode("sync", timestamp) if timestamp is not None else b"")


def _display(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="cut")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--end", type=int)
    parser.add_argument("--limit", type=int, help="bytes that the body should have at most")
    parser.add_argument("--hard-limit", type=int, help="bytes that it may have; default: twice")
    parser.add_argument("--after-sync", type=int, help="ms on guacd's clock")
    parser.add_argument("--display", type=_display, help="WxH")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    limits = given.limit and Limits(given.limit, given.hard_limit or 2 * given.limit)
    prelude = prelude_of(given.after_sync, given.display)
    return answer(
        "cut",
        lambda: cut(
            given.input,
            given.output,
            start=given.start,
            end=given.end,
            limits=limits,
            prelude=prelude,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
