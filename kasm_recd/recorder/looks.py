"""What is looked at again and again: what may be deleted, the room on the disk, the time up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NoReturn

from kasm_recd.pauses import pause

if TYPE_CHECKING:
    from kasm_recd.ballast import Ballast
    from kasm_recd.journal import Journal
    from kasm_recd.recorder.stages import Stages
    from kasm_recd.retention import Retention

LOOK_S: Final = 1.0  # between two looks at the room on the spool's disk
SWEEP_S: Final = 5.0  # retention looks this often, and sooner when something was stored
UPTIME_S: Final = 15.0  # how much time up a crash may forget


class Looks:
    """Each look is a task of its own, named in :meth:`start`."""

    def __init__(
        self,
        *,
        journal: Journal,
        ballast: Ballast,
        retention: Retention,
        stages: Stages,
        kick: asyncio.Event,
        refused: asyncio.Event,
    ) -> None:
        """``kick`` asks for a sweep, ``refused`` says that a write found no room."""
        self._journal = journal
        self._ballast = ballast
        self._retention = retention
        self._stages = stages
        self._kick = kick
        self._refused = refused
        self._beat_at = time.monotonic()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Looks until the group ends."""
        group.create_task(self._retain(), name="retention")
        group.create_task(self._count_uptime(), name="uptime")
        group.create_task(self._keep_ballast(), name="ballast")

    def silent_s(self, now: float) -> float:
        """How long the journal has not answered, beyond what is usual."""
        return now - self._beat_at - UPTIME_S

    async def _retain(self) -> NoReturn:
        while True:
            self._kick.clear()
            await self._retention.sweep()
            await self._stages.preambles.seek()
            await pause(self._kick, SWEEP_S)

    async def _keep_ballast(self) -> NoReturn:
        while True:
            refused = self._refused.is_set()
            self._refused.clear()
            await asyncio.to_thread(self._ballast.look, refused=refused)
            await asyncio.to_thread(self._stages.relief.look)
            if await self._stages.relief.waive_one():
                self._kick.set()
            await pause(self._refused, LOOK_S)

    async def _count_uptime(self) -> NoReturn:
        before = time.monotonic()
        while True:
            await asyncio.sleep(UPTIME_S)
            now = time.monotonic()
            await self._journal.add_uptime(now - before)
            self._beat_at = before = now
