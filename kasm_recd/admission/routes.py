"""What is asked and answered in HTTP and JSON: every answer that is not a certain yes is a no."""

from __future__ import annotations

import asyncio
import os
import time
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web

from kasm_recd import metrics
from kasm_recd.admission import exposition, settling
from kasm_recd.admission.answers import as_json
from kasm_recd.admission.clerk import Clerk, Office
from kasm_recd.admission.noting import count, note
from kasm_recd.admission.peers import GONE, Peer, peer_of
from kasm_recd.admission.request import BadRequest, parse
from kasm_recd.admission.verdict import Reason, objection, parts
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp.typedefs import Handler

    from kasm_recd.admission.peers import Allowed
    from kasm_recd.admission.rate import Rate
    from kasm_recd.breach import Breach

BODY_LIMIT: Final = 64 * 1024  # bytes
READ_DEADLINE_S: Final = 5.0  # for a request's body
UNKNOWN_LOGGED: Final = 20  # names of unknown fields in a log line
PEER: Final = web.RequestKey("peer", Peer)

log = get_logger(__name__)


class Desk(Office, Protocol):
    """All that the answers are made of."""

    #: Who may ask at all, and how often.
    allowed: Allowed
    rate: Rate

    def forecast_s(self) -> float | None:
        """Seconds until a disk is full, where one is filling."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Figures for operators, as JSON values."""
        ...

    def session(self, kasm_id: str) -> Mapping[str, Any] | None:
        """What became of a session's recording, as JSON values; None where it is not known."""
        ...

    async def settle(self, kasm_id: str) -> Sequence[Breach]:
        """Settles a session's open breaches, and gives those; raises JournalCorrupt, DiskFull."""
        ...

    def gauges(self) -> metrics.Gauges:
        """Figures for Prometheus."""
        ...

    def drain(self) -> None:
        """From now on facts say ``draining``."""
        ...


class Routes:
    """The application, and who is let in to it."""

    def __init__(self, desk: Desk, *, drain_uids: frozenset[int]) -> None:
        self._desk = desk
        self._clerk = Clerk(desk)
        self._drain_uids = drain_uids
        self._too_many = 0

    def application(self) -> web.Application:
        """Made anew for each server."""
        application = web.Application(middlewares=[self._guard], client_max_size=BODY_LIMIT)
        application.router.add_post("/v1/admission", self._answer_admission)
        application.router.add_get("/v1/sessions/{kasm_id}", self._answer_session)
        settle = settling.answering(self._desk.settle, self._drain_uids, PEER)
        application.router.add_post(settling.PATH, settle)
        application.router.add_get("/v1/health", self._answer_health)
        application.router.add_get("/v1/status", self._answer_status)
        application.router.add_get("/v1/openapi.json", self._answer_openapi)
        application.router.add_post("/v1/drain", self._answer_drain)
        application.router.add_get(exposition.PATH, exposition.answering(self._desk.gauges))
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets in whom may ask; whatever goes wrong is answered with a no."""
        try:
            if refusal := self._refuse(request):
                return refusal
            return await handler(request)
        except web.HTTPException as error:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            return as_json(error.status, {"decision": "deny", "error": error.reason}, allow)
        except BadRequest as error:
            told = {"field": error.field, "error": str(error)}
            log.warning("admission.bad_request", kasm_id=error.kasm_id, **told)
            metrics.count("kasm_recd_bad_requests_total")
            return as_json(400, {"decision": "deny", **told})
        except Exception:  # the top of a request's task, and it must not become a yes
            log.exception("admission.failed", path=request.path)
            return as_json(500, {"decision": "deny", "reason": Reason.INTERNAL_ERROR})

    def _refuse(self, request: web.Request) -> web.Response | None:
        """A no to a peer that may not ask, or asks too often."""
        peer = request[PEER] = _peer(request)
        desk = self._desk
        if not desk.allowed.admits(peer):
            log.warning("admission.peer_refused", peer=peer.log_context(), path=request.path)
            status, reason = 403, Reason.PEER_NOT_ALLOWED
            figures: dict[str, Any] = {"uid": peer.uid, "gid": peer.gid}
            message = "This user may not ask (admission_users, admission_groups)."
        elif not desk.rate.take(peer.uid, time.monotonic()):
            if not self._too_many % 1000:  # the log is not to be flooded too
                log.warning("admission.too_many", peer=peer.log_context())
            self._too_many += 1
            status, reason = 429, Reason.RATE_LIMITED
            figures = {"rate": desk.rate.per_second}
            message = f"More than {desk.rate.per_second:g} requests a second of one user."
        else:
            return None
        count("deny", reason)
        told = {"decision": "deny", "reason": reason, "message": message, **figures}
        return as_json(status, told, {"Retry-After": "1"} if status == 429 else None)  # noqa: PLR2004

    async def _answer_admission(self, request: web.Request) -> web.Response:
        asked = parse(await _body(request))
        if asked.unknown:
            names = [name[:100] for name in asked.unknown[:UNKNOWN_LOGGED]]
            log.info("admission.unknown_fields", kasm_id=asked.kasm_id, fields=names)
        answer = await self._clerk.answer(asked)
        note(asked, answer, request[PEER])
        decision, place = answer.decision, answer.place
        told = {"recording_path": place.recording_path, "recording_name": place.recording_name}
        if not asked.record_sessions:
            return as_json(200, {"decision": "allow", **told})
        forecast = {"disk_full_in_s": self._desk.forecast_s()}
        if decision.allow:
            return as_json(200, {"decision": "allow", **told, **forecast})
        why = {"reason": decision.reason, "message": decision.message, **decision.figures}
        return as_json(403, {"decision": "deny", **why, **forecast})

    async def _answer_session(self, request: web.Request) -> web.Response:
        found = self._desk.session(request.match_info["kasm_id"])
        if found is None:
            message = "No session of this kasm_id is known."
            return as_json(404, {"error": "unknown_session", "message": message})
        return as_json(200, found)

    async def _answer_health(self, _request: web.Request) -> web.Response:
        facts, now, judge = self._desk.facts(), time.monotonic(), self._desk.judge
        room = judge.shortage(facts)
        against = objection(facts, now) or room
        content = {
            "status": "refusing" if against else "ok",
            "reason": against.reason if against else None,
            "parts": parts(facts, now, room),
            "disk_full_in_s": self._desk.forecast_s(),
        }
        return as_json(503 if against else 200, content)

    async def _answer_status(self, _request: web.Request) -> web.Response:
        return as_json(200, self._desk.status())

    async def _answer_openapi(self, _request: web.Request) -> web.Response:
        return web.Response(text=openapi(), content_type="application/json")

    async def _answer_drain(self, request: web.Request) -> web.Response:
        peer = request[PEER]
        if peer.uid not in self._drain_uids:
            log.warning("admission.drain_refused", peer=peer.log_context())
            message = "Only root and the daemon's own user may drain it."
            return as_json(403, {"error": "forbidden", "message": message})
        log.info("admission.draining", peer=peer.log_context())
        self._desk.drain()
        return as_json(200, {"draining": True})


@cache
def openapi() -> str:
    """The interface in OpenAPI 3.1, as JSON."""
    return resources.files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")


def own_uids() -> frozenset[int]:
    """Who may drain the daemon: root, and its own user."""
    return frozenset({0, os.getuid()})


async def _body(request: web.Request) -> bytes:
    if request.content.is_eof():  # as good as always: no deadline is needed
        return await request.read()
    try:
        async with asyncio.timeout(READ_DEADLINE_S):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _peer(request: web.Request) -> Peer:
    connection = request.get_extra_info("socket")
    return GONE if connection is None else peer_of(connection)
