"""A process that writes to a journal and says what was committed: ``-m tests.journal_child PATH``.

Each line on stdout is ``ok KASM_ID`` or ``failed KASM_ID``. With ``--die`` it kills itself, as
hard as can be, after the first failure.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from kasm_recd.errors import RecdError
from kasm_recd.journal import Journal
from kasm_recd.session import Session


async def admit(journal: Journal, kasm_id: str, *, die: bool) -> None:
    session = Session(kasm_id, "u", "n", "i", "f", "c", "s", f"rec-{kasm_id}", 1.0)
    try:
        await journal.admit(session)
    except RecdError as error:
        print("failed", kasm_id, type(error).__name__, flush=True)
        if die:
            os.kill(os.getpid(), signal.SIGKILL)
    else:
        print("ok", kasm_id, flush=True)


async def write(path: Path, *, brokers: int, each: int, die: bool) -> None:
    """``brokers`` at once admit ``each`` sessions, one after the other."""
    journal = Journal.open(path)

    async def broker(name: int) -> None:
        for n in range(each):
            await admit(journal, f"k-{name}-{n}", die=die)

    await asyncio.gather(*(broker(name) for name in range(brokers)))
    os.kill(os.getpid(), signal.SIGKILL)  # no polite closing: what was said to be there is there


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--brokers", type=int, default=8)
    parser.add_argument("--each", type=int, default=1_000_000)
    parser.add_argument("--die", action="store_true")
    wanted = parser.parse_args()
    asyncio.run(write(wanted.path, brokers=wanted.brokers, each=wanted.each, die=wanted.die))


if __name__ == "__main__":
    main()
