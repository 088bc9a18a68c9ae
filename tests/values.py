"""Values for tests, with every field filled in; a test names only what it is about."""

from __future__ import annotations

from typing import Any

from kasm_recd.contents import Contents
from kasm_recd.recording import Identity, Recording
from kasm_recd.segment import Segment
from kasm_recd.session import Session
from kasm_recd.states import RecordingState

CONTENTS = Contents(
    first_sync=1_000,
    last_sync=11_000,
    sync_count=10,
    longest_gap_ms=1_000,
    width=1280,
    height=720,
    drawn=True,
)


def make_session(**changes: Any) -> Session:
    fields: dict[str, Any] = {
        "kasm_id": "k-1",
        "user_id": "u-1",
        "username": "demo",
        "image_id": "i-1",
        "image_friendly_name": "Terminal",
        "created_timestamp": "2026-01-01T00:00:00Z",
        "start_timestamp": "2026-01-01T00:00:05Z",
        "recording_name": "k-1-0a0a0a0a",
        "admitted_at": 1_700_000_000.0,
    }
    return Session(**(fields | changes))


def make_recording(**changes: Any) -> Recording:
    fields: dict[str, Any] = {
        "id": 7,
        "session_id": 1,
        "path": "/recordings/k-1-0a0a0a0a",
        "identity": Identity(device=1, inode=2, birth_ns=3, head_length=4, head_sha256="5"),
        "state": RecordingState.FINISHED,
        "consumed": 0,
        "lock_seen": True,
        "boot_id": "boot",
        "first_seen_at": 1_700_000_000.0,
    }
    return Recording(**(fields | changes))


def make_segment(**changes: Any) -> Segment:
    fields: dict[str, Any] = {
        "id": 9,
        "session_id": 1,
        "recording_id": 7,
        "sequence": 0,
        "start": 0,
        "length": 1000,
        "sha256": "ab" * 32,
        "contents": CONTENTS,
        "began_at": 1_700_000_001.0,
        "ended_at": 1_700_000_011.0,
        "end_timestamp": 11_000,
        "end_known": True,
        "sealed_at": 1_700_000_012.0,
        "sealed_uptime": 0.0,
    }
    return Segment(**(fields | changes))


#: What the keys of a clip's files end in, by role.
SUFFIXES = {
    "clip": ".mp4",
    "thumbnail": ".jpg",
    "sprites": ".seek/sprites.jpg",
    "sprite_index": ".seek/sprites.vtt",
    "activity": ".seek/activity.json",
    "raw": ".guac",
}
