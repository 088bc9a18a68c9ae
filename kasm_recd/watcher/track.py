"""What the watcher remembers of a file from one scan to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kasm_recd.disk import HEAD_LENGTH
from kasm_recd.watcher.finished import Facts, judge
from kasm_recd.watcher.sighting import Evidence

if TYPE_CHECKING:
    from kasm_recd.disk import Lock, Status
    from kasm_recd.recording import Identity
    from kasm_recd.watcher.finished import Patience
    from kasm_recd.watcher.hints import Closing


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: seconds of the monotonic clock, and Unix seconds."""

    monotonic: float
    realtime: float


@dataclass(slots=True)
class Track:
    """One file; ``looked_at`` and ``grew_at`` are seconds of the monotonic clock.

    ``closing`` is the last close by a writer after which no growth was seen. ``finished`` stands
    until the file grows or is locked again; ``ended_at`` and ``end_known`` go with it.
    """

    identity: Identity
    size: int
    grew_at: float
    looked_at: float = 0.0
    lock: Lock | None = None
    lock_seen: bool = False
    was_locked: bool = False  # at the look before the last one
    closing: Closing | None = None
    finished: Evidence | None = None
    ended_at: float | None = None
    end_known: bool = False
    overwritten: int = 0  # so many bytes had the recording before this one in the same file

    @property
    def head_may_grow(self) -> bool:
        """The head was hashed when it was shorter than what counts, and there is more by now."""
        return self.identity.head_length < min(HEAD_LENGTH, self.size)

    def is_doubtful(self, status: Status, lock: Lock | None) -> bool:
        """Whether the file could hold another recording since the last look.

        Somebody who overwrites a file in place takes the lock for it, or leaves it unlocked.
        """
        changed_hands = lock != self.lock
        head_grew = self.identity.head_length < min(HEAD_LENGTH, status.size)
        return changed_hands or head_grew or (lock is None and self.finished is None)

    def look(self, status: Status, lock: Lock | None, now: float) -> bool:
        """Takes over what the file is like ``now``, and says whether it has grown.

        The growth came some time after the last look, so a close before that proves nothing.
        """
        grown = status.size > self.size
        if grown:
            self.size = status.size
            self.grew_at = now
            if self.closing is not None and self.closing.monotonic <= self.looked_at:
                self.closing = None
        if grown or lock is not None:
            self.finished = self.ended_at = None
            self.end_known = False
        self.was_locked = self.lock is not None
        self.lock = lock
        self.lock_seen |= lock is not None
        self.looked_at = now
        return grown

    def judge(
        self, status: Status, now: Moment, *, open_for_writing: bool | None, patience: Patience
    ) -> None:
        """Finds out whether the recording is finished, and when it ended."""
        facts = Facts(
            locked=self.lock is not None,
            lock_seen=self.lock_seen,
            open_for_writing=open_for_writing,
            closed=self.closing is not None,
            quiet_s=now.monotonic - self.grew_at,
        )
        self.finished = judge(facts, patience)
        if self.finished is None:
            return
        if self.closing is not None:
            self.ended_at, self.end_known = self.closing.realtime, True
        elif self.finished is Evidence.LOCK_GONE and self.was_locked:
            self.ended_at, self.end_known = now.realtime, True
        else:
            self.ended_at, self.end_known = status.modified_ns / 1e9, False
