from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import aiohttp
from structlog.testing import capture_logs

from kasm_recd.admission.exposition import MetricsSite

if TYPE_CHECKING:
    from kasm_recd.metrics import Gauges


def gauges() -> Gauges:
    return {"kasm_recd_admitting": {(): 1}}


async def scrape(port: int, path: str = "/metrics") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.text()


def taken() -> socket.socket:
    """A listening socket, and so a port that nobody else can have."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.listen()
    return holder


async def test_metrics_and_nothing_else_are_answered_on_tcp() -> None:
    with taken() as holder:
        port = holder.getsockname()[1]
    site = MetricsSite(gauges)
    await site.listen_on(f"127.0.0.1:{port}")
    await site.listen_on(f"127.0.0.1:{port}")  # as the desk does, every second
    try:
        status, text = await scrape(port)
        assert (status, "kasm_recd_admitting 1.0" in text) == (200, True)
        for path in ("/v1/status", "/v1/admission", "/"):
            assert (await scrape(port, path))[0] == 404
    finally:
        await site.close()


async def test_an_address_that_is_taken_is_told_once_and_had_when_it_is_free() -> None:
    site = MetricsSite(gauges)
    with capture_logs() as logs:
        with taken() as holder:
            port = holder.getsockname()[1]
            for _ in range(3):
                await site.listen_on(f"127.0.0.1:{port}")
        await site.listen_on(f"127.0.0.1:{port}")
    try:
        assert [line["event"] for line in logs] == ["metrics.unavailable", "metrics.listening"]
        assert (await scrape(port))[0] == 200
    finally:
        await site.close()


async def test_a_changed_setting_moves_it() -> None:
    with taken() as one, taken() as two:
        ports = one.getsockname()[1], two.getsockname()[1]
    site = MetricsSite(gauges)
    try:
        for here, there in (ports, ports[::-1]):
            await site.listen_on(f"127.0.0.1:{here}")
            assert (await scrape(here))[0] == 200
            with socket.socket() as trial:
                assert trial.connect_ex(("127.0.0.1", there)) != 0
        await site.listen_on("")
        with socket.socket() as trial:
            assert trial.connect_ex(("127.0.0.1", ports[0])) != 0
    finally:
        await site.close()
