"""The desk and the recorder that it answers for: who has left is not asked any more."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from kasm_recd.desk import Desk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_recorder_that_left_while_an_address_was_taken_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path / "admission.sock")
    desk._settings = cast("Any", SimpleNamespace(metrics_listen=""))
    desk._recorder = cast("Any", SimpleNamespace())  # there is nothing left to measure in it

    async def leave_meanwhile(_address: str) -> None:
        await asyncio.sleep(0)
        desk.leave()

    monkeypatch.setattr(desk._exposed, "listen_on", leave_meanwhile)
    looking = asyncio.create_task(desk.look())
    for _ in range(10):
        await asyncio.sleep(0)
    assert desk._recorder is None
    assert not looking.done(), "it goes on looking"
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
