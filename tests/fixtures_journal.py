"""A journal in a folder of its own, and values to put into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from kasm_recd.contents import Contents, Damage
from kasm_recd.journal import Journal
from kasm_recd.recording import Identity, Recording
from kasm_recd.segment import Segment
from kasm_recd.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    AddRecording = Callable[..., Awaitable[Recording]]
    MakeSession = Callable[..., Session]
    MakeDraft = Callable[..., Segment]


class Clock:
    """A wall clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class SealOne(Protocol):
    """Adds a session and a recording where they are not there yet, and seals a segment."""

    def __call__(self, journal: Journal, **changes: Any) -> Awaitable[Segment]: ...


def make_session(kasm_id: str = "k-1", **changes: Any) -> Session:
    values: dict[str, Any] = {
        "kasm_id": kasm_id,
        "user_id": "u-1",
        "username": "jiří",
        "image_id": "i-1",
        "image_friendly_name": "Firefox",
        "created_timestamp": "2026-01-02T03:04:05Z",
        "start_timestamp": "2026-01-02T03:04:06Z",
        "recording_name": f"rec-{kasm_id}",
        "admitted_at": 1_700_000_000.0,
    }
    return Session(**{**values, **changes})


def make_draft(recording: Recording, **changes: Any) -> Segment:
    values: dict[str, Any] = {
        "id": 0,
        "session_id": recording.session_id,
        "recording_id": recording.id,
        "sequence": 0,
        "start": recording.consumed,
        "length": 1000,
        "sha256": "ab" * 32,
        "contents": Contents(
            first_sync=10,
            last_sync=5010,
            sync_count=3,
            longest_gap_ms=4000,
            width=640,
            height=480,
            drawn=True,
            damage=(Damage(17, 23, "invalid", "wrong length"),),
        ),
        "began_at": 1_700_000_000.5,
        "ended_at": 1_700_000_005.5,
        "end_timestamp": 5010,
        "end_known": True,
        "sealed_at": 1_700_000_010.25,
        "sealed_uptime": 33.5,
    }
    return Segment(**{**values, **changes})


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal_clock() -> Clock:
    return Clock()


@pytest.fixture
async def journal(journal_path: Path, journal_clock: Clock) -> AsyncIterator[Journal]:
    opened = Journal.open(journal_path, clock=journal_clock)
    yield opened
    await opened.close()


@pytest.fixture
def a_session() -> Callable[..., Session]:
    """``a_session("k-2", username="me")``."""
    return make_session


@pytest.fixture
def a_draft() -> Callable[..., Segment]:
    """``a_draft(recording, length=5)``: the next segment of a recording."""
    return make_draft


@pytest.fixture
def add_recording() -> Callable[..., Awaitable[Recording]]:
    """Admits a session where it is new, and adds a growing recording of it."""

    async def add(journal: Journal, kasm_id: str = "k-1", **changes: Any) -> Recording:
        session = await journal.admit(make_session(kasm_id))
        values: dict[str, Any] = {
            "session_id": session.id,
            "path": f"/rec/{session.recording_name}",
            "identity": Identity(2049, 2**64 - 5, 1_700_000_000_123_456_789, 4096, "cd" * 32),
            "lock_seen": True,
            "boot_id": "boot-1",
            "first_seen_at": 1_700_000_000.0,
        }
        return await journal.add_recording(**{**values, **changes})

    return add


@pytest.fixture
def seal_one(add_recording: Callable[..., Awaitable[Recording]]) -> SealOne:
    """Seals the next segment of the first recording, which is made where there is none."""

    async def seal(journal: Journal, **changes: Any) -> Segment:
        known = journal.recordings()
        recording = known[0] if known else await add_recording(journal)
        draft = make_draft(recording, **changes)
        return await journal.seal(draft, consumed=draft.start + draft.length)

    return seal
