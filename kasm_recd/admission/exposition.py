"""``GET /metrics`` for Prometheus: on the admission socket, and on a TCP address where one is set.

The TCP site answers nothing else: who can reach it learns figures and can ask for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from kasm_recd import metrics
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = get_logger(__name__)

PATH: Final = "/metrics"
SHUTDOWN_S: Final = 1.0


def answering(
    gauges: Callable[[], metrics.Gauges],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of ``GET /metrics``."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(
            body=metrics.render(gauges), headers={"Content-Type": metrics.CONTENT_TYPE}
        )

    return answer


class MetricsSite:
    """``/metrics`` on one TCP address at a time."""

    def __init__(self, gauges: Callable[[], metrics.Gauges]) -> None:
        self._gauges = gauges
        self._runner: web.AppRunner | None = None
        self._wanted = ""
        self._trouble = ""

    async def listen_on(self, address: str) -> None:
        """Listens on ``host:port`` and nowhere else; on nothing where it is empty.

        An address that cannot be had is logged once, and tried again at the next call.
        """
        if address == self._wanted and (self._runner is not None or not address):
            return
        await self.close()
        self._wanted = address
        if not address:
            return
        host, _, port = address.rpartition(":")
        application = web.Application()
        application.router.add_get(PATH, answering(self._gauges))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            await runner.cleanup()
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error(  # noqa: TRY400 - its words are enough
                    "metrics.unavailable", address=address, error=str(error)
                )
            return
        self._runner = runner
        self._trouble = ""
        log.info("metrics.listening", address=address)

    async def close(self) -> None:
        """Gives the address up."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
