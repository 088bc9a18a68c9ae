"""What a browser, or anybody, is told by a store: requests that nobody signed."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from kasm_recd.errors import StoreUnavailable

if TYPE_CHECKING:
    from kasm_recd.storage import Endpoint


@dataclass(frozen=True, slots=True)
class Preflight:
    """A store's answer to a browser's question; names of headers in lower case."""

    status: int
    origin: str
    methods: frozenset[str]
    headers: frozenset[str]

    def allows(self, origin: str) -> bool:
        """Whether a player on ``origin`` may read clips piece by piece."""
        return (
            self.status < HTTPStatus.BAD_REQUEST
            and self.origin in ("*", origin)
            and "GET" in self.methods
            and ("range" in self.headers or "*" in self.headers)
        )


def is_public(url: str, endpoint: Endpoint) -> bool:
    """Whether anybody can read the object at ``url``; raises StoreUnavailable."""
    return bool(_ask("GET", url, endpoint, {}).status_code == HTTPStatus.OK)


def preflight(url: str, endpoint: Endpoint, origin: str) -> Preflight:
    """What a browser on ``origin`` is told before it reads a piece of ``url``.

    As the Fetch standard has it (CORS-preflight fetch); raises StoreUnavailable.
    """
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range",
    }
    answer = _ask("OPTIONS", url, endpoint, asked)
    told = {name.lower(): value for name, value in answer.headers.items()}
    return Preflight(
        answer.status_code,
        told.get("access-control-allow-origin", ""),
        _words(told.get("access-control-allow-methods", "").upper()),
        _words(told.get("access-control-allow-headers", "").lower()),
    )


def _ask(method: str, url: str, endpoint: Endpoint, headers: dict[str, str]) -> Any:
    verify: Any = endpoint.ca_bundle or True
    timeout: Any = (endpoint.connect_timeout_s, endpoint.read_timeout_s)
    session = URLLib3Session(verify=verify, timeout=timeout, proxies=get_environ_proxies(url))
    try:
        return session.send(AWSRequest(method=method, url=url, headers=headers).prepare())
    except (BotoCoreError, HTTPClientError) as error:
        raise StoreUnavailable(f"{method} {url}: {error}") from None
    finally:
        session.close()


def _words(header: str) -> frozenset[str]:
    return frozenset(word.strip() for word in header.split(",") if word.strip())
