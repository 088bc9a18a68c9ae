"""Sightings become recordings: what the watcher saw, held against what the journal knows."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from kasm_recd import disk
from kasm_recd.log import get_logger
from kasm_recd.session import Session
from kasm_recd.states import RecordingEvent, RecordingState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.recording import Recording
    from kasm_recd.watcher import Loss, Scan, Sighting

log = get_logger(__name__)

#: guacd's own suffix where a name is taken, `.1` to `.255`: a reconnect.
RECONNECT: Final = re.compile(r"\.(?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])$")
SIDECAR_LIMIT: Final = 65_536  # bytes; a session's metadata is some hundred
METADATA: Final = (
    "user_id",
    "username",
    "image_id",
    "image_friendly_name",
    "created_timestamp",
    "start_timestamp",
)
OPEN: Final = (RecordingState.GROWING, RecordingState.FINISHED, RecordingState.DRAINED)


class Watch(Protocol):
    """What hears of recordings that come and go; see :class:`kasm_recd.guard.Guard`."""

    async def appeared(self, recording: Recording) -> None:
        """A recording is new."""

    async def lost(self, recording: Recording, loss: Loss) -> None:
        """A recording, as it was known, is gone."""

    async def taken(self, scan: Scan) -> None:
        """All of a scan was taken in."""


class Intake:
    """Keeps the journal's recordings in line with what lies in the folder."""

    def __init__(
        self,
        *,
        journal: Journal,
        on_finished: Callable[[Recording], None],
        on_growing: Callable[[Recording, int], None] = lambda _recording, _size: None,
        watch: Watch | None = None,
        now: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._on_finished = on_finished
        self._on_growing = on_growing
        self._watch = watch
        self._now = now
        #: Why the folder cannot be used, after the last scan.
        self.folder_error: str | None = None
        #: Bytes that are in segments and still take room in the recordings, after the last scan.
        self.pinned = 0

    def known(self) -> list[Recording]:
        """The recordings that may still lie in the folder, for the watcher to match."""
        return self._journal.recordings(*OPEN)

    async def take(self, scan: Scan) -> None:
        """Brings the journal up to what one scan saw; raises as the journal's verbs do."""
        self._note_folder(scan.folder_error)
        await self._journal.note_clock(scan.clock.boot_id, scan.clock.offset_s, scan.at)
        for recording_id, loss in scan.lost.items():
            await self._lose(recording_id, loss)
        self.pinned = sum(map(_pinned, scan.sightings))
        for sighting in scan.sightings:
            recording = sighting.recording
            if recording is None:
                recording = await self._add(sighting, scan)
            else:
                recording = await self._update(recording, sighting)
            recording = await self._judge(recording, sighting)
            if recording.state is RecordingState.GROWING:
                self._on_growing(recording, sighting.size)
        if self._watch is not None:
            await self._watch.taken(scan)

    def _note_folder(self, error: str | None) -> None:
        if error != self.folder_error:
            self.folder_error = error
            if error is None:
                log.info("recording_dir.usable")
            else:
                log.critical("recording_dir.unusable", error=error)

    async def _add(self, sighting: Sighting, scan: Scan) -> Recording:
        session = await self._session_of(sighting.path)
        recording = await self._journal.add_recording(
            session_id=session.id,
            path=str(sighting.path),
            identity=sighting.identity,
            lock_seen=sighting.lock_seen,
            boot_id=scan.clock.boot_id,
            overwritten=sighting.overwritten,
            first_seen_at=sighting.at,
        )
        log.info(
            "recording.appeared",
            kasm_id=session.kasm_id,
            announced=session.announced,
            size=sighting.size,
            **recording.log_context(),
        )
        if self._watch is not None:
            await self._watch.appeared(recording)
        return recording

    async def _update(self, recording: Recording, sighting: Sighting) -> Recording:
        found = {
            "path": str(sighting.path),
            "identity": sighting.identity,
            "lock_seen": sighting.lock_seen,
        }
        changes = {name: new for name, new in found.items() if new != getattr(recording, name)}
        if not changes:
            return recording
        return await self._journal.update_recording(recording.id, **changes)

    async def _judge(self, recording: Recording, sighting: Sighting) -> Recording:
        if sighting.grew_again and recording.state is not RecordingState.GROWING:
            log.warning(
                "recording.reopened",
                kasm_id=self._journal.owner(recording).kasm_id,
                size=sighting.size,
                **recording.log_context(),
            )
            return await self._journal.move_recording(recording.id, RecordingEvent.REOPEN)
        if sighting.finished and recording.state is RecordingState.GROWING:
            finished = await self._journal.move_recording(
                recording.id,
                RecordingEvent.FINISH,
                ended_at=sighting.ended_at,
                end_known=sighting.end_known,
            )
            log.info(
                "recording.finished",
                kasm_id=self._journal.owner(recording).kasm_id,
                evidence=sighting.finished,
                size=sighting.size,
                **recording.log_context(),
            )
            self._on_finished(finished)
            return finished
        return recording

    async def _lose(self, recording_id: int, loss: Loss) -> None:
        recording = self._journal.recording(recording_id)
        # A drained one is retention's: it may have its hidden name already.
        if recording is None or recording.state not in (
            RecordingState.GROWING,
            RecordingState.FINISHED,
        ):
            return
        await self._journal.move_recording(recording_id, RecordingEvent.LOSE)
        log.critical(
            "recording.lost",
            kasm_id=self._journal.owner(recording).kasm_id,
            loss=loss,
            consumed=recording.consumed,
            hint="What was written after the last cut is gone. Nobody but kasm-recd may remove, "
            "truncate or overwrite recordings.",
            **recording.log_context(),
        )
        if self._watch is not None:
            await self._watch.lost(recording, loss)

    async def _session_of(self, path: Path) -> Session:
        """The session that announced this name, or one made from the file's own metadata."""
        for name in (path.name, RECONNECT.sub("", path.name)):
            session = self._journal.session_by_recording_name(name)
            if session is not None:
                return session
        name = RECONNECT.sub("", path.name)
        metadata = await asyncio.to_thread(_read_metadata, path.with_name(f"{name}.json"))
        announced = isinstance(metadata.get("kasm_id"), str) and bool(metadata["kasm_id"])
        fields: dict[str, Any] = {key: _text(metadata.get(key, "")) for key in METADATA}
        # A folder may hold the name of another folder's recording: the path tells them apart.
        given = metadata["kasm_id"] if announced else f"unannounced:{path.with_name(name)}"
        kasm_id = _text(given)
        if not metadata:
            log.warning("recording.unannounced", kasm_id=kasm_id, path=str(path))
        known = self._journal.session(kasm_id)
        if known is not None:
            return known
        return await self._journal.admit(
            Session(
                kasm_id=kasm_id,
                recording_name=name if announced else str(path.with_name(name)),
                admitted_at=self._now(),
                announced=announced,
                **fields,
            )
        )


def _pinned(sighting: Sighting) -> int:
    """How much of what was cut still takes room, its first and last blocks aside."""
    if sighting.recording is None or not sighting.recording.consumed:
        return 0
    uncut = sighting.size - sighting.recording.consumed
    return max(0, sighting.allocated - uncut - 2 * disk.HEAD_LENGTH)


def _text(value: object) -> str:
    """A text that UTF-8 can hold: a file's name or a JSON string may have half a character."""
    return str(value).encode(errors="backslashreplace").decode()


def _read_metadata(sidecar: Path) -> dict[str, Any]:
    """What somebody put beside a recording as ``<name>.json``; empty where it is no such thing."""
    try:
        # The folder is not ours alone: what lies there may be a pipe or a link to somewhere else.
        with open(disk.open_to_look(sidecar), "rb") as file:  # noqa: PTH123 - a descriptor
            if not disk.status_of(file.fileno()).regular:
                return {}
            found = json.loads(file.read(SIDECAR_LIMIT))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("recording.sidecar_unreadable", path=str(sidecar), error=str(error))
        return {}
    return found if isinstance(found, dict) else {}
