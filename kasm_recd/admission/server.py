"""HTTP and JSON on a Unix socket: every answer that is not a certain yes is a no.

    POST /v1/admission   200 allow · 403 deny with reason and figures · 400 with the wrong field
    GET  /v1/health      200 recorded sessions are taken · 503 they are not; each part's state
    GET  /v1/status      200 the daemon's figures
    GET  /metrics        200 the same for Prometheus
    POST /v1/drain       200 no more sessions from now on (root and the daemon's own user)

An allow is said only after the session is durable in the journal, and on facts that still hold
then.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import struct
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from kasm_recd import metrics
from kasm_recd.admission import exposition
from kasm_recd.admission.listener import BACKLOG
from kasm_recd.admission.request import AdmissionRequest, BadRequest, parse
from kasm_recd.admission.verdict import Decision, Reason, decide, parts, verdict
from kasm_recd.errors import DiskFull, JournalCorrupt, NameInUse
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.typedefs import Handler

    from kasm_recd.admission.listener import Listener
    from kasm_recd.admission.verdict import Facts
    from kasm_recd.segment import Session

BODY_LIMIT: Final = 64 * 1024  # bytes
READ_DEADLINE_S: Final = 5.0  # for a request's body
REGISTER_DEADLINE_S: Final = 5.0  # for the journal
SHUTDOWN_S: Final = 1.0  # for answers under way when the server closes
UNKNOWN_LOGGED: Final = 20  # names of unknown fields in a log line

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, by the kernel's word (SO_PEERCRED)."""

    pid: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where guacd shall record: its recording-path and recording-name."""

    recording_path: str | None
    recording_name: str | None


NOWHERE: Final = Place(None, None)


class AdmissionServer:
    """Answers brokers and operators on ``listener``, which it closes.

    Args:
        listener: from :func:`listen` or :func:`handed_over`.
        facts: what is known now; called for each question, must be cheap.
        register: makes the session durable and returns the one in force, which for a repeated
            ``kasm_id`` is the first; raises NameInUse, JournalCorrupt, DiskFull.
        status: figures for operators, as JSON values.
        drain: from now on facts say ``draining``.
        drain_uids: who may call for it.
        gauges: figures for Prometheus.
    """

    def __init__(
        self,
        listener: Listener,
        *,
        facts: Callable[[], Facts],
        register: Callable[[Session], Awaitable[Session]],
        status: Callable[[], Mapping[str, Any]],
        drain: Callable[[], None],
        drain_uids: frozenset[int] = frozenset({0, os.getuid()}),
        gauges: Callable[[], metrics.Gauges] = dict,
    ) -> None:
        self._listener = listener
        self._facts = facts
        self._register = register
        self._status = status
        self._drain = drain
        self._drain_uids = drain_uids
        self._gauges = gauges
        self._runner = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=SHUTDOWN_S
        )

    async def start(self) -> None:
        """Answer from now on."""
        await self._runner.setup()
        # aiohttp listens again: by its own default for 128 waiting connections only.
        await web.SockSite(self._runner, self._listener.socket, backlog=BACKLOG).start()

    async def close(self) -> None:
        """Take no more requests, finish those under way, give the socket up."""
        await self._runner.cleanup()
        self._listener.close()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._fail_closed], client_max_size=BODY_LIMIT)
        application.router.add_post("/v1/admission", self._answer_admission)
        application.router.add_get("/v1/health", self._answer_health)
        application.router.add_get("/v1/status", self._answer_status)
        application.router.add_post("/v1/drain", self._answer_drain)
        application.router.add_get(exposition.PATH, exposition.answering(self._gauges))
        return application

    @web.middleware
    async def _fail_closed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever goes wrong is answered with a no."""
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            answer = _answer(error.status, {"decision": "deny", "error": error.reason})
        except BadRequest as error:
            log.warning(
                "admission.bad_request",
                kasm_id=error.kasm_id,
                field=error.field,
                error=str(error),
            )
            metrics.count("kasm_recd_bad_requests_total")
            content = {"decision": "deny", "field": error.field, "error": str(error)}
            answer = _answer(400, content)
        except Exception:  # the top of a request's task, and it must not become a yes
            log.exception("admission.failed", path=request.path)
            answer = _answer(500, {"decision": "deny", "reason": Reason.INTERNAL_ERROR})
        return answer

    async def _answer_admission(self, request: web.Request) -> web.Response:
        asked = parse(await _body(request))
        if asked.unknown:
            names = [name[:100] for name in asked.unknown[:UNKNOWN_LOGGED]]
            log.info("admission.unknown_fields", kasm_id=asked.kasm_id, fields=names)
        decision, place, repeated = await self._decide(asked)
        bound = log.bind(kasm_id=asked.kasm_id, peer=_logged(_peer(request)))
        _count(asked, decision, repeated=repeated)
        if decision.allow:
            bound.info("admission.allowed", **asdict(place))
            return _answer(200, {"decision": "allow", **asdict(place)})
        told = {"reason": decision.reason, "message": decision.message, **decision.figures}
        bound.warning("admission.refused", **told)
        return _answer(403, {"decision": "deny", **told})

    async def _decide(self, asked: AdmissionRequest) -> tuple[Decision, Place, bool]:
        """The decision, where to record if that is to be, and whether it was asked before."""
        decision = _judge(asked, self._facts())
        if not decision.allow or not asked.record_sessions:
            return decision, NOWHERE, False
        session = asked.session(token=secrets.token_hex(4), at=time.time())
        try:
            async with asyncio.timeout(REGISTER_DEADLINE_S):
                registered = await self._register(session)
        except NameInUse as error:
            figures = {"recording_name": asked.recording_name}
            return Decision(Reason.NAME_IN_USE, str(error), figures), NOWHERE, False
        except JournalCorrupt as error:
            return Decision(Reason.JOURNAL_CORRUPT, str(error)), NOWHERE, False
        except DiskFull as error:
            return Decision(Reason.DISK_FREE_LOW, str(error)), NOWHERE, False
        facts = self._facts()  # the write took its time: what is said must hold now
        place = Place(facts.recording_dir, registered.recording_name)
        return _judge(asked, facts), place, registered.admitted_at != session.admitted_at

    async def _answer_health(self, _request: web.Request) -> web.Response:
        facts, now = self._facts(), time.monotonic()
        decision = verdict(facts, now)
        content = {
            "status": "ok" if decision.allow else "refusing",
            "reason": decision.reason,
            "parts": parts(facts, now),
        }
        return _answer(200 if decision.allow else 503, content)

    async def _answer_status(self, _request: web.Request) -> web.Response:
        return _answer(200, self._status())

    async def _answer_drain(self, request: web.Request) -> web.Response:
        peer = _peer(request)
        if peer is None or peer.uid not in self._drain_uids:
            log.warning("admission.drain_refused", peer=_logged(peer))
            message = "Only root and the daemon's own user may drain it."
            return _answer(403, {"error": "forbidden", "message": message})
        log.info("admission.draining", peer=_logged(peer))
        self._drain()
        return _answer(200, {"draining": True})


def _count(asked: AdmissionRequest, decision: Decision, *, repeated: bool) -> None:
    """A repeat is no allow: it promises nothing that was not promised."""
    said = "deny"
    if decision.allow:
        said = "repeat" if repeated else "allow" if asked.record_sessions else "unrecorded"
    metrics.count("kasm_recd_admissions_total", decision=said, reason=str(decision.reason or ""))


def _judge(asked: AdmissionRequest, facts: Facts) -> Decision:
    return decide(
        record_sessions=asked.record_sessions,
        staged=asked.staged,
        facts=facts,
        now=time.monotonic(),
    )


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(READ_DEADLINE_S):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _peer(request: web.Request) -> Peer | None:
    """None where the peer has hung up already."""
    connection = request.get_extra_info("socket")
    if connection is None:
        return None
    layout = "iII"  # struct ucred: pid_t, uid_t, gid_t
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(layout)
    )
    return Peer(*struct.unpack(layout, credentials))


def _logged(peer: Peer | None) -> dict[str, int]:
    return {} if peer is None else {"pid": peer.pid, "uid": peer.uid, "gid": peer.gid}


def _answer(status: int, content: Mapping[str, Any]) -> web.Response:
    text = json.dumps(content, default=str, allow_nan=False)
    return web.Response(status=status, text=text, content_type="application/json")
