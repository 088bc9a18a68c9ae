"""What is known of room and of trouble, as the facts that the next answer is given from."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kasm_recd.admission import Facts, Forecast, Look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kasm_recd.admission import Room

UNKNOWN: Final = Facts(
    at=-math.inf,
    recording_dir="",
    recording_room=None,
    spool_room=None,
    min_free=0,
    disk_limit=0.0,
)


class Outlook:
    """Learns what was measured, is told what is wrong, and puts both together."""

    def __init__(self) -> None:
        self._measured = self._facts = UNKNOWN
        self._found: tuple[object, ...] = ()  # what the facts were made of
        self._forecasts: dict[str, Forecast] = {}  # by folder
        #: Set while it is of no use to wait for facts: there are some, or there will be none soon.
        self.known = asyncio.Event()
        self.draining = False
        self.journal_error: str | None = None
        #: Why the settings that were read last are not in force; None when they are.
        self.settings_error: str | None = None

    def learn(self, facts: Facts, sizes: Mapping[int, int]) -> None:
        """What was measured now, with the size of each live recording by its id."""
        self._measured = facts
        for room in facts.rooms:
            forecast = self._forecasts.setdefault(room.folder, Forecast())
            forecast.learn(Look(facts.at, room.available, sizes))
        self.known.set()

    def forget(self) -> None:
        """What was measured says nothing any more."""
        self._measured = UNKNOWN
        self.known.clear()

    @property
    def rooms(self) -> tuple[Room | None, Room | None]:
        """On the disks of the recording folder and of the spool."""
        return self._measured.recording_room, self._measured.spool_room

    def facts(self, unrecorded_error: str | None) -> Facts:
        """What is known now; the same value while nothing has changed."""
        found = (
            self._measured,
            self.settings_error,
            self.journal_error,
            unrecorded_error,
            self.draining,
        )
        if found != self._found:
            self._facts = replace(
                self._measured,
                settings_error=self.settings_error,
                journal_error=self.journal_error,
                unrecorded_error=unrecorded_error,
                draining=self.draining,
            )
            self._found = found
        return self._facts

    def forecast_s(self) -> float | None:
        """Seconds until the first of the disks is full; None where none is filling."""
        forecasts = (forecast.full_in_s() for forecast in self._forecasts.values())
        return min((seconds for seconds in forecasts if seconds is not None), default=None)
