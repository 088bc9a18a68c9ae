"""What a segment plays from: the display at the cut before it, as instructions.

``<spool>/preambles/<recording id>-<start>.guac`` is named after the segment that it opens, and may
be there before that segment is. It appears whole, by one rename. Where it cannot be made,
``<recording id>-<start>.missing`` says why instead. One of the two is the last word: the journal
need not know, and nothing has to be put back after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kasm_recd import disk
from kasm_recd.segment import place
from kasm_recd.states import RecordingState, SegmentState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kasm_recd.recording import Recording
    from kasm_recd.segment import Segment

FOLDER: Final = "preambles"
#: A recording that may get another segment.
GOES_ON: Final = (RecordingState.GROWING, RecordingState.FINISHED)
MADE, MISSING = ".guac", ".missing"


@dataclass(frozen=True, slots=True)
class Preamble:
    """``path`` of the instructions, or None with the ``cause`` why there are none."""

    path: Path | None
    cause: str = ""


#: What a recording's first segment has: it needs none.
NONE_NEEDED: Final = Preamble(None)


def is_wanted(recording: Recording, follower: Segment | None) -> bool:
    """Whether a preamble is needed for ``follower``, or for one that may still follow."""
    if follower is None:
        return recording.state in GOES_ON
    return follower.state not in (SegmentState.PURGED, SegmentState.EXPIRED)


def of(spool: Path, segment: Segment) -> Preamble | None:
    """What ``segment`` plays from; None while that is still to be made."""
    if segment.start == 0:
        return NONE_NEEDED
    return at(spool, segment.recording_id, segment.start)


def after(spool: Path, segment: Segment) -> Preamble | None:
    """What the segment that follows ``segment`` plays from; None while it is still to be made."""
    return at(spool, segment.recording_id, segment.end)


def at(spool: Path, recording_id: int, start: int) -> Preamble | None:
    """What a segment that begins at ``start`` plays from; None while it is still to be made."""
    made = _path(spool, recording_id, start, MADE)
    if made.exists():
        return Preamble(made)
    try:
        cause = _path(spool, recording_id, start, MISSING).read_text()
    except FileNotFoundError:
        return None
    return Preamble(None, cause)


def publish(spool: Path, segment: Segment, made: Path) -> int:
    """Gives what was made of ``segment`` to the one that follows it, durably; raises OSError.

    Returns its length in bytes.
    """
    length = made.stat().st_size
    disk.publish(made, _path(spool, segment.recording_id, segment.end, MADE))
    return length


def give_up(spool: Path, recording_id: int, start: int, cause: str) -> None:
    """Notes durably that a segment at ``start`` will have none, and why; raises OSError."""
    path = _path(spool, recording_id, start, MISSING)
    disk.write_atomically(path, cause.encode(errors="backslashreplace"))


def remove(spool: Path, segment: Segment) -> None:
    """Deletes what a segment that is over played from."""
    for suffix in (MADE, MISSING):
        disk.clear(_path(spool, segment.recording_id, segment.start, suffix))


def all_of(spool: Path) -> Iterator[tuple[int, int, Path]]:
    """Every file: recording id, start of the segment that it opens, and its path."""
    for path in sorted((spool / FOLDER).glob("*-*.*")):
        recording_id, _, start = path.stem.partition("-")
        if recording_id.isdigit() and start.isdigit():
            yield int(recording_id), int(start), path


def _path(spool: Path, recording_id: int, start: int, suffix: str) -> Path:
    return spool / FOLDER / f"{place(recording_id, start)}{suffix}"
