"""What a preamble and a body hold, noted while they are read, for that alone or to be played."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kasm_recd.contents import contents_to_json
from kasm_recd.guacamole.contents import Summary
from kasm_recd.guacamole.instructions import Reader
from kasm_recd.workers.files import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kasm_recd.contents import Damage
    from kasm_recd.guacamole.instructions import Instruction


class Noting:
    """Reads both as the one stream that they are when played."""

    def __init__(self, body: Path, *, start: int, preamble: Path | None = None) -> None:
        """``start`` is where in its recording the body begins."""
        self._body = body
        self._start = start
        self._preamble = preamble
        self._opening = 0  # bytes of the preamble
        self._summary = Summary()
        self._digest = hashlib.sha256()

    def read(self) -> Iterator[Instruction | Damage]:
        """All that can be told of both, with offsets in that stream; once. Raises OSError."""
        reader, note = Reader(), self._summary.note_all
        for piece in self._pieces():
            found = [*reader.feed(piece)]
            note(found)
            yield from found
        found = [*reader.close()]
        note(found)
        yield from found

    @property
    def result(self) -> dict[str, Any]:
        """``contents`` of both, as plain values, and the body's ``sha256``, once all is read.

        Offsets of damage count from the recording's beginning; what lies in the preamble is left
        out, since it is nothing of this segment's.
        """
        shift, contents = self._start - self._opening, self._summary.contents
        places = (
            replace(place, start=place.start + shift, end=place.end + shift)
            for place in contents.damage
            if place.end > self._opening
        )
        return {
            "contents": contents_to_json(replace(contents, damage=tuple(places))),
            "sha256": self._digest.hexdigest(),
        }

    def _pieces(self) -> Iterator[bytes]:
        if self._preamble is not None:
            for piece in pieces_of(self._preamble):
                self._opening += len(piece)
                yield piece
        for piece in pieces_of(self._body):
            self._digest.update(piece)
            yield piece
