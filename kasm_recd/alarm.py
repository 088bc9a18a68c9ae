"""The operator's own command for a breach: a list of arguments, run without a shell.

A breach is journaled before, and that the command was run after: a crash between the two runs it
again. It is waited for, up to a deadline, by nobody but this module.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NoReturn

from kasm_recd import process
from kasm_recd.errors import WorkerFailed
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kasm_recd.breach import Breach
    from kasm_recd.journal import Journal

log = get_logger(__name__)

DEADLINE_S: Final = 30.0
AT_ONCE: Final = 4  # a folder that vanished with a hundred sessions is a hundred breaches


class Alarm:
    """Runs the command once for each breach; ``argv`` may be empty: nothing is run."""

    def __init__(
        self, argv: Sequence[str], *, journal: Journal, deadline_s: float = DEADLINE_S
    ) -> None:
        self._argv = tuple(argv)
        self._journal = journal
        self._deadline_s = deadline_s
        self._waiting: asyncio.Queue[Breach] = asyncio.Queue()

    def sound(self, breach: Breach) -> None:
        """Has the command run; never waits."""
        if self._argv:
            self._waiting.put_nowait(breach)

    async def run(self) -> NoReturn:
        """Runs commands until cancelled; those that run then are killed."""
        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(self._serve(), name=f"alarm {number}")
        raise AssertionError("a loop without end has ended")

    async def _serve(self) -> NoReturn:
        while True:
            breach = await self._waiting.get()
            await self._run(breach)
            await self._journal.note_told(breach.id)

    async def _run(self, breach: Breach) -> None:
        told = {
            "KASM_ID": breach.kasm_id,
            "BREACH": str(breach.kind),
            "BREACH_DETAIL": breach.detail,
            "BREACH_AT": f"{breach.at:.3f}",
        }
        context = {"kasm_id": breach.kasm_id, "breach": breach.kind, "command": self._argv[0]}
        try:
            code = await process.run_errand(self._argv, told, deadline_s=self._deadline_s)
            trouble = f"exit code {code}" if code else ""
        except WorkerFailed as error:
            trouble = str(error)
        if trouble:
            log.error("breach.command_failed", error=trouble, **context)
        else:
            log.info("breach.command_done", **context)
