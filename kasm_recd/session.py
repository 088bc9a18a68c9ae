"""A session as a value: what the broker said of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """One Kasm session; ``announced`` is false when no broker ever spoke of it.

    Timestamps are strings as the broker gave them (ISO 8601, UTC), ``admitted_at`` is Unix seconds.
    """

    kasm_id: str
    user_id: str
    username: str
    image_id: str
    image_friendly_name: str
    created_timestamp: str
    start_timestamp: str
    recording_name: str
    admitted_at: float
    announced: bool = True
    id: int = 0
