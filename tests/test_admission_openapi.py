"""The OpenAPI document and the server, held to each other by schemathesis on the real socket."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from requests.adapters import HTTPAdapter
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from kasm_recd.admission import Reason
from kasm_recd.admission.routes import Routes, openapi
from tests.test_admission_server import Daemon, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The document asks brokers for less than the server takes (names in ASCII, RFC 3339 in place of
#: all ISO 8601), so that a value is not right or wrong by the document alone.
NARROWER = [positive_data_acceptance, negative_data_rejection]
EXAMPLES = 40  # of each operation and kind
DOCUMENT: dict[str, Any] = json.loads(openapi())


class UnixPool(HTTPConnectionPool):
    """urllib3's pool, on a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = str(path)

    def _new_conn(self) -> HTTPConnection:
        path = self._path

        class Connection(HTTPConnection):
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.settimeout(20)
                self.sock.connect(path)

        return Connection("localhost")


class UnixAdapter(HTTPAdapter):
    """requests' way there."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._pool = UnixPool(path)

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> UnixPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[requests.Session]:
    """A server with a session "known" in a thread of its own, and somebody to ask it."""
    up, down = threading.Event(), []

    async def run() -> None:
        daemon = Daemon(tmp_path / "admission.sock")
        daemon.may_book.set()
        daemon.is_ready.set()
        server = serve(daemon)
        await server.start()
        await daemon.admit(kasm_id="known")
        over = asyncio.Event()
        down.append((asyncio.get_running_loop(), over))
        up.set()
        await over.wait()
        await server.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert up.wait(30)
    with requests.Session() as session:
        session.mount("http://", UnixAdapter(tmp_path / "admission.sock"))
        yield session
    loop, over = down[0]
    loop.call_soon_threadsafe(over.set)
    thread.join(30)
    assert not thread.is_alive()


def kinds() -> Iterator[Any]:
    """Each operation with what is right, and with what is wrong where anything can be."""
    for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # an Err fails the collection
        yield pytest.param(operation, GenerationMode.POSITIVE, id=operation.label)
        if operation.body:
            yield pytest.param(operation, GenerationMode.NEGATIVE, id=f"{operation.label} wrong")


@pytest.mark.parametrize(("operation", "mode"), list(kinds()))
def test_the_server_answers_as_the_document_says(
    asking: requests.Session, operation: Any, mode: GenerationMode
) -> None:
    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        response = case.call(session=asking, base_url="http://localhost")
        case.validate_response(response, excluded_checks=NARROWER)

    check()


def test_the_document_knows_every_reason_and_no_other() -> None:
    listed = DOCUMENT["components"]["schemas"]["Reason"]["enum"]
    assert sorted(listed) == sorted(Reason)


def test_the_document_knows_every_route_and_no_other() -> None:
    application = Routes(Daemon(Path("/none")), drain_uids=frozenset()).application()
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in application.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    listed = {(verb, path) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}
    assert routes == listed
