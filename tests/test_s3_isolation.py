"""The client knows what it was told, and nothing else; and it never tells the secret."""

from __future__ import annotations

import logging
import os
import traceback
from typing import TYPE_CHECKING

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, DEFAULT_S3_CONFIG_VARS
from botocore.exceptions import EndpointConnectionError, ProxyConnectionError
from structlog.testing import capture_logs

from kasm_recd.errors import RecdError, StoreUnavailable
from tests.s3_answers import SECRET, Answer, Answers, s3_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest

    from kasm_recd.storage import Payload

TARGETS = (
    "s3://clips@s3.amazonaws.com",
    "s3://clips@s3.eu-central-1.amazonaws.com",
    "s3://clips@minio.example:9000",
)
#: What moves from one request to the next.
OF_THE_MOMENT = {"X-Amz-Date", "Authorization", "amz-sdk-invocation-id"}

POISON_FILE = """
[default]
aws_access_key_id = POISONKEY
aws_secret_access_key = poison
aws_session_token = poison-token
region = ap-poison-1
endpoint_url = http://poison.example
ca_bundle = /poison/ca.pem
max_attempts = 7
request_checksum_calculation = when_supported
use_dualstack_endpoint = true
s3 =
    addressing_style = path
    use_accelerate_endpoint = true
    payload_signing_enabled = true
[profile poisoned]
endpoint_url = http://poison.example
services = poisoned
[services poisoned]
s3 =
    endpoint_url = http://poison.example
"""


def poison_values() -> dict[str, str]:
    """Every variable that botocore knows, and those that it reads past its table."""
    tables = {**BOTOCORE_DEFAUT_SESSION_VARIABLES, **DEFAULT_S3_CONFIG_VARS}
    names = {"AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_BEARER_TOKEN_S3"}
    for _, variables, _, _ in tables.values():
        names |= set([variables] if isinstance(variables, str) else variables or [])
    return {
        **dict.fromkeys(names, "true"),
        "AWS_MAX_ATTEMPTS": "7",
        "AWS_METADATA_SERVICE_TIMEOUT": "7",
        "AWS_ACCESS_KEY_ID": "POISONKEY",
        "AWS_SECRET_ACCESS_KEY": "poison",
        "AWS_SESSION_TOKEN": "poison-token",
        "AWS_ENDPOINT_URL": "http://poison.example",
        "AWS_ENDPOINT_URL_S3": "http://poison.example",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_CA_BUNDLE": "/poison/ca.pem",
        "REQUESTS_CA_BUNDLE": "/poison/ca.pem",
        "AWS_PROFILE": "poisoned",
        "AWS_REGION": "ap-poison-1",
        "AWS_DEFAULT_REGION": "ap-poison-1",
        "AWS_DEFAULTS_MODE": "in-region",
        "AWS_EXECUTION_ENV": "poison",
        "AWS_LAMBDA_FUNCTION_NAME": "poison",
        "_X_AMZN_TRACE_ID": "poison",
    }


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home and an environment in which every way to configure AWS leads astray."""
    aws = tmp_path / "home" / ".aws"
    aws.mkdir(parents=True)
    for name in ("config", "credentials"):
        (aws / name).write_text(POISON_FILE)
    monkeypatch.setenv("HOME", str(aws.parent))
    for name, value in poison_values().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(aws / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(aws / "credentials"))
    monkeypatch.setenv("AWS_DATA_PATH", str(aws))


def what_is_sent(target: str, clip: Payload) -> list[tuple[object, ...]]:
    store = s3_store(target)
    answers = Answers(store, Answer(), Answer(headers={"content-length": "6", "ETag": '"x"'}))
    store.put("clip.mp4", clip)
    with pytest.raises(RecdError):
        store.prove("clip.mp4", clip)
    return [_constant_part(request) for request in answers.requests]


def _constant_part(request: AWSPreparedRequest) -> tuple[object, ...]:
    headers = {name: str(value) for name, value in request.headers.items()}
    scope = headers["Authorization"].partition("Signature=")[0].split("/")
    del scope[1]  # the date
    kept = sorted((name, headers[name]) for name in headers.keys() - OF_THE_MOMENT)
    return request.method, request.url, scope, kept


@pytest.mark.parametrize("target", TARGETS)
def test_neither_environment_nor_home_changes_what_is_sent(
    request: pytest.FixtureRequest, payload: Callable[[bytes], Payload], target: str
) -> None:
    clip = payload(b"a clip")
    clean = what_is_sent(target, clip)
    request.getfixturevalue("poison")
    assert os.environ["AWS_PROFILE"] == "poisoned"
    assert what_is_sent(target, clip) == clean


@pytest.mark.usefixtures("poison")
def test_nothing_is_retried_whatever_the_environment_says(
    payload: Callable[[bytes], Payload],
) -> None:
    store = s3_store()
    answers = Answers(store, Answer(503, "SlowDown"))
    with pytest.raises(StoreUnavailable):
        store.put("clip.mp4", payload(b"x"))
    assert answers.asked == ["PUT"]


def test_the_machines_proxy_is_honoured(
    payload: Callable[[bytes], Payload], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "localhost")
    with pytest.raises(StoreUnavailable) as through_it:
        s3_store("s3://clips@store.invalid:1", scheme="http").put("clip.mp4", payload(b"x"))
    with pytest.raises(StoreUnavailable) as past_it:
        s3_store("s3://clips@localhost:1", scheme="http").put("clip.mp4", payload(b"x"))
    assert "Check HTTPS_PROXY" in through_it.value.hint
    assert "Check HTTPS_PROXY" not in past_it.value.hint


@pytest.mark.parametrize(
    "answer",
    [
        Answer(),
        Answer(403, "SignatureDoesNotMatch"),
        EndpointConnectionError(endpoint_url="https://clips.s3.amazonaws.com"),
        ProxyConnectionError(proxy_url="http://user:pass@proxy"),
    ],
    ids=str,
)
def test_the_secret_is_in_no_log_and_no_traceback(
    payload: Callable[[bytes], Payload],
    caplog: pytest.LogCaptureFixture,
    answer: Answer | Exception,
) -> None:
    caplog.set_level(logging.DEBUG)
    told = ""
    with capture_logs() as entries:
        store = s3_store(conditional_put="auto")
        Answers(store, answer)
        try:
            store.put("clip.mp4", payload(b"x"))
            store.prove("clip.mp4", payload(b"x"))
        except RecdError as error:
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            told = "".join(shown.format())
    assert len(caplog.text) > 1000  # botocore does talk at this level
    assert SECRET not in caplog.text + str(entries) + told + repr(store) + repr(vars(store))


def test_an_error_does_not_lead_into_the_frames_of_botocore(
    payload: Callable[[bytes], Payload],
) -> None:
    store = s3_store()
    Answers(store, Answer(403, "SignatureDoesNotMatch"))
    with pytest.raises(RecdError) as refused:
        store.put("clip.mp4", payload(b"x"))
    assert "/botocore/" not in "".join(traceback.format_exception(refused.value))


def test_a_client_that_cannot_be_built_does_not_show_the_secret() -> None:
    with pytest.raises(RecdError) as refused:
        s3_store(region="not a region")
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    assert refused.value.__suppress_context__
