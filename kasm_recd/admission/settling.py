"""``POST /v1/sessions/{kasm_id}/settle``: the operator's word that its breaches are dealt with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kasm_recd.admission.answers import as_json
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp import web

    from kasm_recd.admission.peers import Peer
    from kasm_recd.breach import Breach

log = get_logger(__name__)

PATH: Final = "/v1/sessions/{kasm_id}/settle"


def answering(
    settle: Callable[[str], Awaitable[Sequence[Breach]]],
    uids: frozenset[int],
    peer_key: web.RequestKey[Peer],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler; only peers of ``uids`` may, and a request has its own under ``peer_key``."""

    async def answer(request: web.Request) -> web.Response:
        peer = request[peer_key]
        kasm_id = request.match_info["kasm_id"]
        if peer.uid not in uids:
            log.warning("breach.settle_refused", kasm_id=kasm_id, peer=peer.log_context())
            message = "Only root and the daemon's own user may settle breaches."
            return as_json(403, {"error": "forbidden", "message": message})
        settled = await settle(kasm_id)
        return as_json(200, {"settled": [str(each.kind) for each in settled]})

    return answer
