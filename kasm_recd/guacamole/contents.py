"""What a stream of instructions holds, folded as it is read into a ``Contents``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kasm_recd.contents import Contents, Damage
from kasm_recd.guacamole.timeline import follows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kasm_recd.guacamole.instructions import Instruction

#: So many damaged places are named one by one; one more entry stands for all others.
MAX_DAMAGE: Final = 1_000
#: The widest and highest display that is taken for one.
MAX_SIDE: Final = 32_767

#: Opcode -> which argument is the layer that it draws on. A buffer has a negative number.
_DRAWS_ON: Final = {
    "cfill": 1,
    "copy": 6,
    "cstroke": 1,
    "img": 2,
    "lfill": 1,
    "lstroke": 1,
    "transfer": 6,
    "video": 1,
}


def display_size(size: Instruction) -> tuple[int, int] | None:
    """The display's width and height by a ``size`` instruction, if it is about the display."""
    match size.args:
        case [b"0", width, height, *_] if width.isdigit() and height.isdigit():
            if max(len(width), len(height)) <= len(str(MAX_SIDE)):
                return int(width), int(height)
    return None


class DamageList:
    """Damaged places in the order of the stream: what touches is one, and their number is bounded.

    Beyond :data:`MAX_DAMAGE` places, one last entry stands for all that came later.
    """

    def __init__(self) -> None:
        self._places: list[Damage] = []
        self._more = 0

    @property
    def places(self) -> tuple[Damage, ...]:
        """All of them so far."""
        return tuple(self._places)

    def add(self, place: Damage) -> None:
        """Take in ``place``, which lies behind all that were added before."""
        last = self._places[-1] if self._places else None
        if last is not None and (last.end, last.kind) == (place.start, place.kind):
            self._places[-1] = replace(last, end=place.end)
        elif len(self._places) < MAX_DAMAGE:
            self._places.append(place)
        else:
            self._more += 1
            start = (*self._places, place)[MAX_DAMAGE].start
            rest = Damage(start, place.end, "invalid", f"{self._more} more damaged places")
            self._places[MAX_DAMAGE:] = [rest]


class Summary:
    """Folds what a reader gives out into the :class:`~kasm_recd.contents.Contents` of it all."""

    def __init__(self) -> None:
        self._first_sync: int | None = None
        self._last_sync: int | None = None
        self._sync_count = 0
        self._longest_gap_ms = 0
        self._size = self._end_size = (0, 0)
        self._seen: set[str] = set()
        self._damage = DamageList()
        self._notes: dict[str, Callable[[Instruction], None]] = {
            "sync": self._note_sync,
            "size": self._note_size,
            "key": self._note_sight,
            "audio": self._note_sight,
            **dict.fromkeys(_DRAWS_ON, self._note_drawing),
        }

    def note(self, read: Instruction | Damage) -> None:
        """Take in what the reader gave out next."""
        if isinstance(read, Damage):
            self._damage.add(read)
            return
        if read.doubtful:
            self._damage.add(Damage(read.start, read.end, "doubtful", "read after damage"))
        note = self._notes.get(read.opcode)
        if note is not None:
            note(read)

    def note_all(self, found: Iterable[Instruction | Damage]) -> None:
        """Take in all that the reader gave out next."""
        notes = self._notes
        for read in found:
            if isinstance(read, Damage) or read.doubtful:
                self.note(read)
            elif read.opcode in notes:
                notes[read.opcode](read)

    @property
    def contents(self) -> Contents:
        """What has been noted so far."""
        width, height = self._size
        end_width, end_height = self._end_size
        return Contents(
            first_sync=self._first_sync,
            last_sync=self._last_sync,
            sync_count=self._sync_count,
            longest_gap_ms=self._longest_gap_ms,
            width=width,
            height=height,
            drawn=not self._seen.isdisjoint(_DRAWS_ON),
            contains_keys="key" in self._seen,
            contains_audio="audio" in self._seen,
            damage=self._damage.places,
            end_width=end_width,
            end_height=end_height,
        )

    def _note_sync(self, sync: Instruction) -> None:
        timestamp, last = int(sync.args[0]), self._last_sync
        if last is None or (self._sync_count == 1 and not follows(timestamp, last)):
            # None yet, or the reader found out that the only one so far was wrong.
            self._first_sync = self._last_sync = timestamp
            self._sync_count = 1
            return
        self._sync_count += 1
        self._longest_gap_ms = max(self._longest_gap_ms, timestamp - last)
        self._last_sync = max(timestamp, last) if follows(timestamp, last) else timestamp

    def _note_size(self, size: Instruction) -> None:
        found = display_size(size)
        if found is not None and all(found):
            self._end_size = found
            if not all(self._size):
                self._size = found

    def _note_drawing(self, drawing: Instruction) -> None:
        """Drawing on a layer shows; drawing on a buffer does not."""
        argument = _DRAWS_ON[drawing.opcode]
        if len(drawing.args) > argument and not drawing.args[argument].startswith(b"-"):
            self._note_sight(drawing)

    def _note_sight(self, read: Instruction) -> None:
        """Seen once is enough."""
        self._seen.add(read.opcode)
        del self._notes[read.opcode]


def summarise(stream: Iterable[Instruction | Damage]) -> Contents:
    """The contents of all that a reader gave out."""
    summary = Summary()
    for read in stream:
        summary.note(read)
    return summary.contents
