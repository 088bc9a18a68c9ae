"""When a recording is finished: a judgement on values, with no clock and no disk.

The best evidence that can be had decides, and weaker evidence is not even asked:

1. A POSIX lock. guacd holds one until its last user leaves. Once seen, its absence is the end.
2. A read lease. No lock was ever seen; the kernel knows whether anybody may write to the file.
3. Silence. Neither can be known (another host writes it, or the file is not ours): a close by a
   writer, and no growth for a while after it.
4. Long silence. Nor was a close seen, because the file was there before the watch began, or the
   event was lost: the same, for much longer.

Modification times play no part: guacd writes nothing at all while a session is idle.
"""

from __future__ import annotations

from dataclasses import dataclass

from kasm_recd.watcher.sighting import Evidence


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a file when it is judged.

    ``open_for_writing`` is None where it cannot be known; ``closed`` says that a close by a writer
    was seen and no growth since; ``quiet_s`` is how long it did not grow before our eyes.
    """

    locked: bool
    lock_seen: bool
    open_for_writing: bool | None
    closed: bool
    quiet_s: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence must last, in seconds: after a close that was seen, and without one."""

    closed_s: float
    unseen_s: float


def judge(facts: Facts, patience: Patience) -> Evidence | None:
    """Why the recording is finished, or None while it is not."""
    if facts.locked:
        return None
    if facts.lock_seen:
        return Evidence.LOCK_GONE
    if facts.open_for_writing is not None:
        return None if facts.open_for_writing else Evidence.NOT_OPEN
    if facts.closed:
        return Evidence.CLOSED_AND_QUIET if facts.quiet_s >= patience.closed_s else None
    return Evidence.QUIET_UNSEEN if facts.quiet_s >= patience.unseen_s else None
