"""Whether a file still is the recording that it was known as, and whether that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kasm_recd.states import RecordingState
from kasm_recd.watcher.known import is_unchanged
from kasm_recd.watcher.sighting import Loss

if TYPE_CHECKING:
    from kasm_recd.disk import Lock, Status
    from kasm_recd.recording import Recording
    from kasm_recd.watcher.track import Track


def loss_of(
    recording: Recording | None,
    track: Track | None,
    status: Status,
    lock: Lock | None,
    descriptor: int,
) -> Loss | None:
    """Whether the file still is the one that was known, which may have grown."""
    known_size = max(track.size if track else 0, recording.consumed if recording else 0)
    if status.size < known_size:
        return Loss.SHRUNK
    if track is not None:
        doubtful = track.is_doubtful(status, lock)
        identity = track.identity
    elif recording is not None:
        doubtful = True
        identity = recording.identity
    else:
        return None
    if doubtful and not is_unchanged(identity, status, descriptor):
        return Loss.REPLACED
    return None


def grew_again(recording: Recording | None, track: Track, *, grown: bool) -> bool:
    """Whether the journal's word that the recording is finished no longer holds."""
    match recording and recording.state:
        case RecordingState.FINISHED:
            return track.lock is not None or (grown and track.finished is None)
        case RecordingState.DRAINED if recording:
            return track.lock is not None or track.size > recording.consumed
        case _:
            return False
