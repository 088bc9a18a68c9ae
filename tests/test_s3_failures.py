"""Every answer, and every lack of one, is told apart by who must act."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from kasm_recd.errors import KeyTaken, RecdError, StoreRefused, StoreUnavailable
from tests.s3_answers import Answer, Answers, s3_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.storage import Payload

URL = "https://clips.s3.amazonaws.com/clip.mp4"
REGION = "<Region>eu-west-3</Region>"

TABLE: list[tuple[Answer, type[RecdError], str]] = [
    (Answer(412, "PreconditionFailed"), KeyTaken, ""),
    (Answer(412), KeyTaken, ""),
    (Answer(409, "ConditionalRequestConflict"), StoreUnavailable, "tried again"),
    (Answer(409, "OperationAborted"), StoreUnavailable, "tried again"),
    (Answer(400, "RequestTimeout"), StoreUnavailable, "tried again"),
    (Answer(408), StoreUnavailable, ""),
    (Answer(429), StoreUnavailable, ""),
    (Answer(500, "InternalError"), StoreUnavailable, ""),
    (Answer(502), StoreUnavailable, ""),
    (Answer(503, "SlowDown"), StoreUnavailable, ""),
    (Answer(503, "ServiceUnavailable"), StoreUnavailable, ""),
    (Answer(504), StoreUnavailable, ""),
    (Answer(507), StoreUnavailable, "full"),
    (Answer(599, "NeverHeardOf"), StoreUnavailable, ""),
    (Answer(400, "BadDigest"), StoreUnavailable, "changed on their way"),
    (Answer(400, "XAmzContentSHA256Mismatch"), StoreUnavailable, "changed on their way"),
    (Answer(404, "NoSuchBucket"), StoreRefused, "Create the bucket"),
    (Answer(403, "InvalidAccessKeyId"), StoreRefused, "recording_object_storage_key"),
    (Answer(403, "SignatureDoesNotMatch"), StoreRefused, "recording_object_storage_secret"),
    (Answer(403, "AccessDenied"), StoreRefused, "s3:PutObject"),
    (Answer(403), StoreRefused, "s3:PutObject"),
    (Answer(401), StoreRefused, "recording_object_storage_key"),
    (Answer(403, "RequestTimeTooSkewed"), StoreRefused, "clock"),
    (Answer(405), StoreRefused, "no S3 endpoint"),
    (Answer(407), StoreRefused, "HTTPS_PROXY"),
    (Answer(411, "MissingContentLength"), StoreRefused, "storage_checksum_calculation"),
    (Answer(413), StoreRefused, "size"),
    (Answer(400, "EntityTooLarge"), StoreRefused, "size"),
    (Answer(501, "NotImplemented"), StoreRefused, "conditional_put"),
    (Answer(400, "KMS.DisabledException"), StoreRefused, "storage_sse_kms_key_id"),
    (Answer(418, "NeverHeardOf"), StoreRefused, ""),
]


@pytest.mark.parametrize(("answer", "kind", "hint"), TABLE, ids=lambda value: str(value)[:60])
def test_what_an_answer_means(
    payload: Callable[[bytes], Payload], answer: Answer, kind: type[RecdError], hint: str
) -> None:
    store = s3_store()
    answers = Answers(store, answer)
    with pytest.raises(kind) as raised:
        store.put("clip.mp4", payload(b"x"))
    assert type(raised.value) is kind
    assert hint in raised.value.hint
    assert raised.value.hint or kind is KeyTaken
    assert f"HTTP {answer.status}" in str(raised.value)
    assert "s3://clips@s3.amazonaws.com/clip.mp4" in str(raised.value)
    assert answers.asked == ["PUT"]  # tenacity alone retries


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, "AuthorizationHeaderMalformed", more=REGION),
        Answer(400, "IllegalLocationConstraintException", more=REGION),
        Answer(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-3"}),
        Answer(301, headers={"x-amz-bucket-region": "eu-west-3"}),
    ],
    ids=lambda answer: f"{answer.status} {answer.code}",
)
def test_a_region_that_stays_wrong_is_named(
    payload: Callable[[bytes], Payload], answer: Answer
) -> None:
    store = s3_store("s3://clips@s3.example")
    answers = Answers(store, answer)
    with pytest.raises(StoreRefused) as refused:
        store.put("clip.mp4", payload(b"x"))
    assert "in another region, eu-west-3: set storage_region" in refused.value.hint
    assert "PUT PUT" in " ".join(answers.asked)  # botocore tried the region that it was told


def test_a_head_that_can_say_no_more_than_400_gets_the_likeliest_hint(
    payload: Callable[[bytes], Payload],
) -> None:
    store = s3_store("s3://clips@s3.example")
    Answers(store, Answer(400))
    with pytest.raises(StoreRefused, match="HTTP 400") as refused:
        store.prove("clip.mp4", payload(b"x"))
    assert "may be in another region: set" in refused.value.hint


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (EndpointConnectionError(endpoint_url=URL), StoreUnavailable, "firewall"),
        (ConnectTimeoutError(endpoint_url=URL), StoreUnavailable, "firewall"),
        (ReadTimeoutError(endpoint_url=URL), StoreUnavailable, "firewall"),
        (ConnectionClosedError(endpoint_url=URL), StoreUnavailable, "firewall"),
        (ProxyConnectionError(proxy_url="http://proxy:3128"), StoreUnavailable, "HTTPS_PROXY"),
        (SSLError(endpoint_url=URL, error=OSError("EOF occurred")), StoreUnavailable, "firewall"),
        (
            SSLError(endpoint_url=URL, error=OSError("[SSL: CERTIFICATE_VERIFY_FAILED]")),
            StoreRefused,
            "storage_ca_bundle",
        ),
        (
            SSLError(endpoint_url=URL, error=OSError("[SSL: WRONG_VERSION_NUMBER]")),
            StoreRefused,
            "storage_scheme",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_answer_means(
    payload: Callable[[bytes], Payload], error: Exception, kind: type[RecdError], hint: str
) -> None:
    store = s3_store()
    answers = Answers(store, error)
    with pytest.raises(kind) as raised:
        store.put("clip.mp4", payload(b"x"))
    assert hint in raised.value.hint
    assert answers.asked == ["PUT"]


def test_what_a_server_says_stays_on_one_short_line(payload: Callable[[bytes], Payload]) -> None:
    store = s3_store()
    Answers(store, Answer(418, "Odd" + "\nforged: line" * 100))
    with pytest.raises(StoreRefused) as refused:
        store.put("clip.mp4", payload(b"x"))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) <= 400
