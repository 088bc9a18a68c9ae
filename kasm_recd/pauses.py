"""A pause between two rounds of work: cut short by an event, ended by a cancellation.

``asyncio.wait_for`` of Python 3.11 loses a cancellation that comes just as the event does, and a
part of the daemon that was told to end would go on for ever.
"""

from __future__ import annotations

import asyncio
import contextlib


async def pause(event: asyncio.Event, longest_s: float) -> None:
    """Returns when ``event`` is set, at the latest after ``longest_s`` seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(longest_s):
            await event.wait()
