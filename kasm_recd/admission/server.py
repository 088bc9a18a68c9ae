"""The server on the socket: started, and stopped so that nobody who was accepted goes unanswered.

    POST /v1/admission           200 allow · 403 deny with reason and figures · 400 the wrong field
    GET  /v1/sessions/{kasm_id}  200 what became of a session's recording · 404
    GET  /v1/health              200 recorded sessions are taken · 503 they are not; each part's say
    GET  /v1/status              200 the daemon's figures
    GET  /v1/openapi.json        200 all of this, for programs
    GET  /metrics                200 figures for Prometheus
    POST /v1/drain               200 no more sessions from now on (root and the daemon's own user)

An allow is said only after the session is durable in the journal, and on facts that still hold
then. Whoever may not ask gets 403, whoever asks too often 429.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from kasm_recd.admission.listener import BACKLOG
from kasm_recd.admission.routes import Desk, Routes, own_uids

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

    from kasm_recd.admission.listener import Listener

SHUTDOWN_S: Final = 1.0  # for answers under way when the server stops
SETTLE_S: Final = 4.0  # for requests of connections that were accepted just before
SETTLE_POLL_S: Final = 0.005
IDLE_S: Final = 15.0  # a connection may be silent, or take for a request's head
FRESH: Final = 512  # tracked connections before those that are gone are forgotten


class AdmissionServer:
    """Answers brokers and operators on ``listener``, which it closes.

    Args:
        listener: from :func:`listen` or :func:`handed_over`.
        desk: what the answers are made of.
        drain_uids: who may ask the daemon to drain.
    """

    def __init__(
        self, listener: Listener, desk: Desk, *, drain_uids: frozenset[int] | None = None
    ) -> None:
        self._listener = listener
        self.routes = Routes(desk, drain_uids=own_uids() if drain_uids is None else drain_uids)
        application = self.routes.application()
        application.on_response_prepare.append(self._prepare)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=SHUTDOWN_S, keepalive_timeout=IDLE_S
        )
        self._accepting: asyncio.Server | None = None
        self.is_stopping = False  # nobody is accepted any more
        self._fresh: set[Any] = set()  # connections of which no request has come yet

    async def start(self) -> None:
        """Answer from now on."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._accepting = await loop.create_unix_server(
            self._protocol, sock=self._listener.socket, backlog=BACKLOG
        )

    async def stop(self) -> None:
        """Accept nobody any more, and answer everybody who was accepted; then return.

        Whoever connects from now on waits in the queue of a socket that systemd holds.
        """
        accepting, self._accepting = self._accepting, None
        if accepting is None:
            return
        self.is_stopping = True
        asyncio.get_running_loop().remove_reader(self._listener.socket)
        await asyncio.sleep(0)  # a server that is closed drops what was accepted just before
        accepting.close()
        deadline = asyncio.get_running_loop().time() + SETTLE_S
        await asyncio.sleep(SETTLE_POLL_S)
        # Nobody tells of a connection that its peer gave up, so it is looked at, not waited for.
        while self.heard_nothing() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(SETTLE_POLL_S)
        await self._runner.cleanup()

    async def close(self) -> None:
        """Stop, and give the socket up."""
        await self.stop()
        self._listener.close()

    def _protocol(self) -> RequestHandler:
        server = self._runner.server
        assert server is not None  # noqa: S101 - it was set up before the socket was taken
        protocol = server()
        if len(self._fresh) > FRESH:
            self._fresh.intersection_update(server.connections)
        self._fresh.add(protocol)
        return protocol

    def heard_nothing(self) -> set[Any]:
        """Connections that have not had an answer yet."""
        server = self._runner.server
        return self._fresh.intersection(server.connections if server else ())

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Notes that this connection was heard; while stopping it is the last answer on it."""
        self._fresh.discard(request.protocol)
        if self.is_stopping:
            response.headers["Connection"] = "close"
            response.force_close()
