"""What is done for room while a disk is nearly full, and the events that say so.

Bytes leave the spool's disk only when they are stored. So cuts come earlier, uploads go before
encodes, and what encoding cannot keep up with goes up raw: it stays owed a clip, which is made
later, while the raw segment is still here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kasm_recd import disk, preambles
from kasm_recd.log import get_logger
from kasm_recd.owing import waive
from kasm_recd.pressure import Level, Marks, Turn, Work, cut_size, turn
from kasm_recd.states import SegmentState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.segment import Segment

log = get_logger(__name__)

DOES = {
    Level.EASY: "everything goes its usual way",
    Level.NEAR: "recordings are cut earlier, uploads go before encodes, what encoding cannot keep "
    "up with goes up raw",
    Level.SHORT: "segments go up raw, their clips are made when there is room",
    Level.DIRE: "clips that are owed are waived, so that stored segments can leave the disk",
}


class Relief:
    """The levels of the two folders' disks, and what follows from them."""

    def __init__(
        self,
        *,
        journal: Journal,
        spool: Path,
        recordings: Path,
        min_free: int,
        segment_size: int,
        slots: int,
        raw_allowed: bool,
        uploads: Callable[[], int],
        store_answers: Callable[[], bool],
    ) -> None:
        """``uploads`` counts those at work or waiting; ``slots`` are the encoders'."""
        self._journal = journal
        self._spool = spool
        self._folders = (spool, recordings)
        self._min_free = min_free
        self._segment_size = segment_size
        self._slots = slots
        self._raw_allowed = raw_allowed
        self._uploads = uploads
        self._store_answers = store_answers
        self._levels = dict.fromkeys(self._folders, Level.EASY)

    @property
    def level(self) -> Level:
        """Of the spool's disk, after the last look."""
        return self._levels[self._spool]

    @property
    def cut_size(self) -> int:
        """How many bytes are cut at once, for the sake of the fuller of the two disks."""
        return cut_size(self._segment_size, max(self._levels.values()))

    def look(self) -> None:
        """Takes the room as it is now; for a thread.

        A disk that cannot be asked keeps its level.
        """
        for folder in self._folders:
            try:
                found = disk.free(folder)
            except OSError:
                continue
            marks = Marks.of(
                min_free=self._min_free, segment_size=self._segment_size, total=found.total
            )
            before = self._levels[folder]
            level = self._levels[folder] = marks.level(found.available, before)
            if level is not before:
                report = log.warning if level > before else log.info
                report(
                    "disk.pressure",
                    folder=str(folder),
                    pressure=level.word,
                    before=before.word,
                    does=DOES[level],
                    available=found.available,
                    near=marks.near,
                    floor=marks.floor,
                )

    def turn(self, segment: Segment) -> Turn:
        """What is to become of a sealed or owed segment now."""
        owed = segment.state is SegmentState.OWED
        if self.level is Level.EASY or (segment.contents.empty and not owed):
            return Turn.ENCODE  # what is empty goes up raw by itself
        return turn(self.level, self._work(), owed=owed)

    def _work(self) -> Work:
        return Work(
            backlog=self._journal.counts()[SegmentState.SEALED],
            slots=self._slots,
            uploads=self._uploads(),
            store_answers=self._store_answers(),
            raw_allowed=self._raw_allowed,
        )

    async def waive_one(self) -> bool:
        """In dire need: gives up the oldest owed clip whose segment can leave the disk then."""
        if self.level is not Level.DIRE:
            return False
        for segment in self._journal.segments(SegmentState.OWED):
            follower = self._journal.segment_at(segment.recording_id, segment.end)
            wanted = preambles.is_wanted(self._journal.source(segment), follower)
            if not wanted or preambles.after(self._spool, segment) is not None:
                await waive(self._journal, segment, "the disk is full")
                return True
        return False

    def figures(self) -> dict[str, Any]:
        """For ``status``."""
        return {"level": self.level.word, "clips_owed": self._journal.clips_owed()}
