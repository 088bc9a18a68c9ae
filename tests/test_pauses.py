"""A pause is cut short by its event, by time, and by a cancellation at whatever moment."""

from __future__ import annotations

import asyncio

import pytest

from kasm_recd.pauses import pause


async def test_an_event_and_time_each_end_a_pause() -> None:
    event = asyncio.Event()
    await pause(event, 0.001)
    assert not event.is_set()
    resting = asyncio.create_task(pause(event, 600))
    await asyncio.sleep(0)
    assert not resting.done()
    event.set()
    async with asyncio.timeout(30):
        await resting
    assert resting.done()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_beside_the_event_is_not_lost(turns: int) -> None:
    event = asyncio.Event()
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        while rounds < 3:
            event.clear()
            await pause(event, 5)
            rounds += 1

    working = asyncio.create_task(work())
    for _ in range(4):
        await asyncio.sleep(0)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
