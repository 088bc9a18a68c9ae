"""The journal as the daemon holds it: the write verbs over one writer, the read verbs beside it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from kasm_recd.journal import attempts, breaches, recordings, segments, sessions, upkeep
from kasm_recd.journal.opening import open_held
from kasm_recd.journal.reads import JournalReader
from kasm_recd.journal.writer import Writer
from kasm_recd.recording import Recording
from kasm_recd.states import RecordingState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from kasm_recd.breach import Breach, BreachKind, Settled
    from kasm_recd.journal.opening import Opened
    from kasm_recd.journal.upkeep import Recovered
    from kasm_recd.recording import Identity
    from kasm_recd.segment import Segment
    from kasm_recd.session import Session
    from kasm_recd.states import RecordingEvent, SegmentEvent


class Journal(JournalReader):
    """Reads and writes one journal; every write verb returns when its commit is durable.

    Times are Unix seconds by ``clock``. Any verb may raise DiskFull, JournalCorrupt (damaged, or
    its disk failing) or JournalLocked (another program keeps the file locked); then it did not
    happen.
    """

    def __init__(self, path: Path, opened: Opened, *, clock: Callable[[], float]) -> None:
        super().__init__(path, opened.reading)
        self._lock = opened.lock
        self._writer = Writer(path, opened.writing)
        self._clock = clock

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], float] = time.time, make: bool = True) -> Self:
        """Opens the journal at ``path``, in an existing folder, and brings it up to date.

        Where there is none it is made, unless ``make`` is false: a spool that holds segments had a
        journal, and an empty one in its place would cut and store everything again.

        Raises:
            JournalLocked: another daemon holds it.
            JournalCorrupt: it is damaged, gone, cannot be used, or is from a newer release.
            DiskFull: no room to make or migrate it.
        """
        return cls(path, open_held(path, make=make), clock=clock)

    async def close(self) -> None:
        """Commits what is waiting and lets the journal go; verbs raise from now on.

        The writing side goes last: only that can bring the log into the file and delete it.
        """
        self._reading.close()
        await self._writer.close()
        self._lock.release()

    @property
    def commits(self) -> int:
        """How many groups were committed since the opening."""
        return self._writer.commits

    async def admit(self, session: Session) -> Session:
        """Adds a session; a known ``kasm_id`` changes nothing and gives what is stored.

        Raises:
            NameInUse: another session owns the recording name.
        """
        return await self._writer.run(lambda db: sessions.admit(db, session))

    async def allow(self, session: Session, *, boot_id: str) -> Session:
        """Admits a session as :meth:`admit` does, and watches (anew) for its recording."""
        return await self._writer.run(
            lambda db: breaches.allow(db, session, boot_id=boot_id, now=self._clock())
        )

    async def end_watch(self, session_id: int) -> None:
        """Waits no longer for a session's recording."""
        await self._writer.run(lambda db: breaches.end_watch(db, session_id))

    async def add_breach(
        self,
        session_id: int,
        kind: BreachKind,
        *,
        recording_id: int | None,
        detail: str,
        size: int | None = None,
    ) -> Breach | None:
        """Notes a breach, and ends the watch that it answers; None where it is noted already."""
        return await self._writer.run(
            lambda db: breaches.add(
                db,
                session_id,
                kind,
                recording_id=recording_id,
                detail=detail,
                size=size,
                now=self._clock(),
            )
        )

    async def note_told(self, breach_id: int) -> None:
        """Notes that the command on_breach has been run."""
        await self._writer.run(lambda db: breaches.note_told(db, breach_id, now=self._clock()))

    async def settle(self, breach_ids: Collection[int], by: Settled) -> list[Breach]:
        """Settles those of the breaches that are open, and gives them as they were."""
        return await self._writer.run(
            lambda db: breaches.settle(db, breach_ids, by, now=self._clock())
        )

    async def add_recording(
        self,
        *,
        session_id: int,
        path: str,
        identity: Identity,
        lock_seen: bool,
        boot_id: str,
        first_seen_at: float,
        overwritten: int = 0,
    ) -> Recording:
        """Adds a growing recording of a session."""
        recording = Recording(
            id=0,
            session_id=session_id,
            path=path,
            identity=identity,
            state=RecordingState.GROWING,
            consumed=0,
            lock_seen=lock_seen,
            boot_id=boot_id,
            first_seen_at=first_seen_at,
            overwritten=overwritten,
        )
        return await self._writer.run(lambda db: recordings.add(db, recording, now=self._clock()))

    async def move_recording(
        self, recording_id: int, event: RecordingEvent, **changes: Any
    ) -> Recording:
        """Moves a recording along its table, with ``changes``; raises IllegalMove."""
        return await self._writer.run(
            lambda db: recordings.move(db, recording_id, event, changes, now=self._clock())
        )

    async def update_recording(self, recording_id: int, **changes: Any) -> Recording:
        """Changes a recording's path, identity and the like; raises IllegalMove for its state."""
        return await self._writer.run(
            lambda db: recordings.update(db, recording_id, changes, now=self._clock())
        )

    async def seal(self, draft: Segment, *, consumed: int) -> Segment:
        """Adds a segment and moves its recording's ``consumed`` over it, both or neither.

        The id and the number within the session are the journal's.

        Raises:
            IllegalMove: it does not begin where the recording is consumed to, end at ``consumed``,
                or hold a byte.
        """
        return await self._writer.run(
            lambda db: segments.seal(db, draft, consumed=consumed, now=self._clock())
        )

    async def move_segment(self, segment_id: int, event: SegmentEvent, **changes: Any) -> Segment:
        """Moves a segment along its table, with ``changes``; raises IllegalMove.

        UPLOAD sets ``form``; RETRY sets all but the times back to what they were at sealing.
        """
        return await self._writer.run(
            lambda db: segments.move(db, segment_id, event, changes, now=self._clock())
        )

    async def update_segment(self, segment_id: int, **changes: Any) -> Segment:
        """Changes a segment's proofs, attempts and the like; raises IllegalMove for its state."""
        return await self._writer.run(
            lambda db: segments.update(db, segment_id, changes, now=self._clock())
        )

    async def claim_key(self, segment_id: int, destination: str, key: str) -> Segment:
        """Gives a segment its key in a store; raises KeyTaken when it is another segment's."""
        return await self._writer.run(
            lambda db: segments.claim_key(db, segment_id, destination, key, now=self._clock())
        )

    async def begin_attempt(self, segment_id: int, kind: str, token: str) -> int:
        """Notes an attempt before it begins, and gives its id."""
        return await self._writer.run(
            lambda db: attempts.begin(db, segment_id, kind, token, now=self._clock())
        )

    async def attempt_started(self, attempt_id: int, pid: int, started: float) -> None:
        """Notes an attempt's child process; raises IllegalMove when it has ended."""
        await self._writer.run(
            lambda db: attempts.note_child(db, attempt_id, pid=pid, started=started)
        )

    async def end_attempt(self, attempt_id: int, outcome: str, detail: str = "") -> None:
        """Notes how an attempt ended; raises IllegalMove when it had ended before."""
        await self._writer.run(
            lambda db: attempts.end(db, attempt_id, outcome, detail, now=self._clock())
        )

    async def note_clock(self, boot_id: str, offset_s: float, at: float) -> None:
        """Notes CLOCK_REALTIME - CLOCK_MONOTONIC (s) at Unix time ``at``, where it is news."""
        known = self.clock_scale(boot_id)
        if known is None or abs(known.notes[-1][1] - offset_s) >= upkeep.CLOCK_TOLERANCE_S:
            await self._writer.run(lambda db: upkeep.note_clock(db, boot_id, offset_s, at))

    async def add_uptime(self, seconds: float) -> float:
        """Adds to the time the daemon was up, and gives the total in s."""
        return await self._writer.run(lambda db: upkeep.add_uptime(db, seconds))

    async def prune(self, *, before: float) -> int:
        """Forgets what was over before Unix time ``before``, and gives the number of rows."""
        return await self._writer.run(lambda db: upkeep.prune(db, before=before))

    async def recover(self) -> Recovered:
        """At boot: puts busy segments back and ends all attempts, in one transaction."""
        return await self._writer.run(lambda db: upkeep.recover(db, now=self._clock()))
