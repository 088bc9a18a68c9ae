"""Is there room for one more session? Shut by the first refusal, open again only with a margin.

Room is what a file system has free, less what sessions that were admitted may still take of it. The
margin keeps answers from flapping while a disk hovers at its limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kasm_recd.admission.verdict import Decision, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kasm_recd.admission.verdict import Facts, Room

#: What a shut gate wants above ``min_free``, and of inodes above the floor: so much more of it.
BYTES_MARGIN: Final = 0.1
#: By how much the used fraction must fall below its limit before a shut gate opens.
USED_MARGIN: Final = 0.01
#: Inodes that are never promised: this many, or a twentieth where a file system has few.
INODES_FLOOR: Final = 1000
INODES_SHARE: Final = 20
#: Files that a session's segments on their way have at most: body, sidecar, clip, … and attempts.
INODES_EACH: Final = 24


@dataclass(frozen=True, slots=True)
class Need:
    """What admitted sessions, the one that asks among them, may still take of a file system."""

    room: Room
    sessions: int
    bytes: int

    @property
    def inodes(self) -> int:
        """How many files they may still make."""
        return self.sessions * INODES_EACH


class Gate:
    """Remembers which file systems had no room for the last session that asked."""

    def __init__(self) -> None:
        self._shut: set[str] = set()

    def judge(self, facts: Facts, needs: Iterable[Need]) -> Decision | None:
        """What speaks against the session that ``needs`` include; shuts or opens the gate."""
        first: Decision | None = None
        for need in needs:
            found = shortage(facts, need, shut=need.room.folder in self._shut)
            if found is None:
                self._shut.discard(need.room.folder)
            else:
                self._shut.add(need.room.folder)
                first = first or found
        return first

    def look(self, facts: Facts, needs: Iterable[Need]) -> Decision | None:
        """What would speak against it; changes nothing."""
        found = (shortage(facts, need, shut=need.room.folder in self._shut) for need in needs)
        return next(filter(None, found), None)


def shortage(facts: Facts, need: Need, *, shut: bool = False) -> Decision | None:
    """What a file system lacks for ``need``; behind a ``shut`` gate the margin is wanted too."""
    return (
        _bytes_low(facts, need, shut=shut)
        or _used_high(facts, need.room, shut=shut)
        or _inodes_low(need, shut=shut)
    )


def _bytes_low(facts: Facts, need: Need, *, shut: bool) -> Decision | None:
    room = need.room
    wanted = facts.min_free + int(facts.min_free * BYTES_MARGIN) * shut
    # Asked this way round, here and below, so that a figure that is no number refuses.
    if room.available - need.bytes >= wanted:
        return None
    return Decision(
        Reason.DISK_FREE_LOW,
        f"{room.available} bytes are free for {room.folder}, {need.sessions} sessions may need "
        f"{need.bytes} of them, and {wanted} are to stay free.",
        {
            "folder": room.folder,
            "available": room.available,
            "needed": need.bytes,
            "min_free": facts.min_free,
            "sessions": need.sessions,
        },
    )


def _used_high(facts: Facts, room: Room, *, shut: bool) -> Decision | None:
    limit = facts.disk_limit - USED_MARGIN * shut
    if room.used_fraction <= limit:
        return None
    return Decision(
        Reason.DISK_USED_HIGH,
        f"{room.used_fraction:.1%} of the disk of {room.folder} is used, {limit:.1%} is the limit.",
        {
            "folder": room.folder,
            "used_fraction": round(room.used_fraction, 4),
            "disk_limit": facts.disk_limit,
        },
    )


def _inodes_low(need: Need, *, shut: bool) -> Decision | None:
    room = need.room
    if room.inodes_total == 0:
        return None
    floor = min(INODES_FLOOR, room.inodes_total // INODES_SHARE)
    if room.inodes_free - need.inodes >= floor + int(floor * BYTES_MARGIN) * shut:
        return None
    return Decision(
        Reason.INODES_LOW,
        f"{room.inodes_free} inodes are free for {room.folder}, {need.sessions} sessions may need "
        f"{need.inodes} of them.",
        {
            "folder": room.folder,
            "inodes_free": room.inodes_free,
            "needed": need.inodes,
            "inodes_floor": floor,
        },
    )
