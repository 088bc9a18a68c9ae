"""Answers of S3 servers that cannot be had here, given to botocore in place of the network."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from kasm_recd.s3 import S3Store
from kasm_recd.storage import Endpoint, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI-a-secret"  # noqa: S105 - of nobody


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says; ``code`` makes the XML body of an error, a blank header goes missing."""

    status: int = 200
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    more: str = ""  # further elements of the error

    def as_response(self, url: str) -> AWSResponse:
        body = self.body
        if self.code:
            text = f"<Error><Code>{self.code}</Code><Message>says so</Message>{self.more}</Error>"
            body = text.encode()
        all_headers = {"content-length": str(len(body)), **self.headers}
        headers = {name: value for name, value in all_headers.items() if value}
        return AWSResponse(url, self.status, headers, _Raw(body))  # type: ignore[arg-type]


class Answers:
    """Gives the answers in turn, the last one for ever, and keeps what was asked."""

    def __init__(self, store: S3Store, *answers: Answer | Exception) -> None:
        self.requests: list[AWSPreparedRequest] = []
        self._answers = list(answers)
        store._client.meta.events.register("before-send.s3", self._answer)  # type: ignore[arg-type]

    @property
    def asked(self) -> list[str]:
        """``PUT PUT HEAD``, as a list."""
        return [str(request.method) for request in self.requests]

    def header(self, name: str, number: int = -1) -> str:
        """A header of one request; blank if it had none."""
        value: Any = self.requests[number].headers.get(name, "")
        return value.decode() if isinstance(value, bytes) else str(value)

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.requests.append(request)
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer.as_response(str(request.url))


def s3_store(destination: str = "s3://clips@s3.amazonaws.com", **options: Any) -> S3Store:
    """A store that has talked to nobody; the bucket is taken to heed conditions."""
    endpoint = Endpoint(**{"conditional_put": "on", **options})
    store = open_store(
        destination, endpoint=endpoint, key=KEY, secret=SECRET, stop=threading.Event()
    )
    assert isinstance(store, S3Store)
    return store


class _Raw:
    """As much of urllib3's response as botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._body

    def read(self, amt: int | None = None, **_: object) -> bytes:
        size = len(self._body) if amt is None else amt
        part, self._body = self._body[:size], self._body[size:]
        return part

    def close(self) -> None:
        self._body = b""
