"""Every event that the log knows: what it means, what it carries, and what to do about it.

One entry for each event, in the module of its part. ``EVENTS.md`` and the journal's catalog
(``journalctl -x``) are written from here by ``python -m tests.documents``; a test holds them, and
every line of code that logs, to these entries.
"""

from __future__ import annotations

from typing import Final

from kasm_recd.events import clips, recordings, segments, service, sessions
from kasm_recd.events.event import Event, message_id

__all__ = ["EVENTS", "Event", "message_id"]

#: By name, in the order of the parts.
EVENTS: Final[dict[str, Event]] = {
    event.name: event
    for part in (sessions, recordings, segments, clips, service)
    for event in part.EVENTS
}
