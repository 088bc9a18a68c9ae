"""The strongest proof that each kind of answer allows, and the trial of ``If-None-Match``."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from kasm_recd.errors import KeyTaken, StoreRefused, StoreUnavailable
from kasm_recd.storage import Payload
from tests.s3_answers import Answer, Answers, s3_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLIP = b"a clip"
SHA256 = hashlib.sha256(CLIP)
MD5 = hashlib.md5(CLIP, usedforsecurity=False).hexdigest()
BASE64 = b64encode(SHA256.digest()).decode()
OTHER_BASE64 = b64encode(hashlib.sha256(b"another").digest()).decode()
THE_SAME = Answer(body=CLIP)
CHECKSUM, ETAG, READ = f"checksum:{SHA256.hexdigest()}", f"etag:{MD5}", (
    f"readback:{SHA256.hexdigest()}"
)  # fmt: skip
MULTIPART = {"x-amz-checksum-sha256": f"{BASE64}-2", "x-amz-checksum-type": "COMPOSITE"}
KMS = {"x-amz-server-side-encryption": "aws:kms"}
#: Metadata that anybody may have written proves nothing.
WRITTEN = {"x-amz-meta-sha256": SHA256.hexdigest(), "x-amz-meta-md5": MD5}


def head(headers: dict[str, str] | None = None, *, size: int = len(CLIP)) -> Answer:
    return Answer(headers={"content-length": str(size), **(headers or {})})


@pytest.mark.parametrize(
    ("headers", "proof", "asked"),
    [
        ({"x-amz-checksum-sha256": BASE64, "ETag": '"x"'}, CHECKSUM, "HEAD"),
        ({"x-amz-checksum-sha256": BASE64, **KMS}, CHECKSUM, "HEAD"),
        ({"ETag": f'"{MD5}"'}, ETAG, "HEAD"),
        ({"ETag": MD5}, ETAG, "HEAD"),
        ({"ETag": f'"{MD5}"', "x-amz-server-side-encryption": "AES256"}, ETAG, "HEAD"),
        ({"ETag": f'"{MD5}"', **KMS}, READ, "HEAD GET"),
        ({"ETag": f'"{MD5}"', "x-amz-server-side-encryption": "aws:kms:dsse"}, READ, "HEAD GET"),
        ({"ETag": f'"{MD5}-2"'}, READ, "HEAD GET"),
        ({"ETag": f'"{"0" * 32}"'}, READ, "HEAD GET"),  # encrypted without saying so
        ({"ETag": f'"{MD5}"', **MULTIPART}, ETAG, "HEAD"),
        ({"x-amz-checksum-sha256": BASE64, "x-amz-checksum-type": "COMPOSITE"}, READ, "HEAD GET"),
        ({"x-amz-checksum-sha256": f"{OTHER_BASE64}-2"}, READ, "HEAD GET"),
        ({}, READ, "HEAD GET"),
        (WRITTEN, READ, "HEAD GET"),
    ],
)
def test_the_strongest_proof_is_taken(
    payload: Callable[[bytes], Payload], headers: dict[str, str], proof: str, asked: str
) -> None:
    store = s3_store()
    answers = Answers(store, head(headers), THE_SAME)
    assert str(store.prove("clip.mp4", payload(CLIP))) == proof
    assert answers.asked == asked.split()
    assert answers.header("x-amz-checksum-mode", 0) == "ENABLED"


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (head({"ETag": f'"{MD5}"'}, size=7), "HEAD"),
        (head({"x-amz-checksum-sha256": OTHER_BASE64, "ETag": f'"{MD5}"'}), "HEAD"),
        (head({"ETag": f'"{"0" * 32}"'}), "HEAD GET"),
        (head(WRITTEN), "HEAD GET"),
    ],
)
def test_another_content_is_found_out(
    payload: Callable[[bytes], Payload], answer: Answer, asked: str
) -> None:
    store = s3_store()
    answers = Answers(store, answer, Answer(body=b"an clip"[:6]))
    with pytest.raises(KeyTaken, match=r"s3://clips@s3.amazonaws.com/clip\.mp4"):
        store.prove("clip.mp4", payload(CLIP))
    assert answers.asked == asked.split()


def test_a_head_that_does_not_tell_the_length_is_no_end(
    payload: Callable[[bytes], Payload],
) -> None:
    store = s3_store()
    Answers(store, head({"content-length": ""}), THE_SAME)
    assert str(store.prove("clip.mp4", payload(CLIP))) == READ


def test_a_body_that_ends_early_is_no_proof_and_no_other_content(
    payload: Callable[[bytes], Payload],
) -> None:
    store = s3_store()
    Answers(store, head(), Answer(headers={"content-length": "6"}, body=b"a c"))
    with pytest.raises(StoreUnavailable):
        store.prove("clip.mp4", payload(CLIP))


def test_the_stop_event_ends_a_read_back(payload: Callable[[bytes], Payload]) -> None:
    store = s3_store()
    Answers(store, head(), THE_SAME)
    store._stop.set()
    with pytest.raises(StoreUnavailable, match="stopped"):
        store.prove("clip.mp4", payload(CLIP))


def test_what_is_larger_than_one_put_is_refused_before_it_is_read(tmp_path: Path) -> None:
    store = s3_store()
    answers = Answers(store, Answer())
    huge = Payload(tmp_path / "nowhere", 5 * 1024**3 + 1, "00" * 32, "video/mp4")
    with pytest.raises(StoreRefused) as refused:
        store.put("clip.mp4", huge)
    assert "segment_size" in refused.value.hint
    assert answers.asked == []


REFUSED = Answer(412, "PreconditionFailed")
ABSENT = Answer(404)


@pytest.mark.parametrize(
    ("trial", "asked"),
    [
        ([Answer(), REFUSED, Answer(204)], "PUT PUT DELETE"),
        ([Answer(), REFUSED, Answer(403, "AccessDenied")], "PUT PUT DELETE"),
    ],
)
def test_a_bucket_that_heeds_conditions_is_trusted_from_then_on(
    payload: Callable[[bytes], Payload], trial: list[Answer], asked: str
) -> None:
    store = s3_store(conditional_put="auto")
    answers = Answers(store, *trial, Answer())
    store.put("kasm/alice/clip.mp4", payload(CLIP))
    store.put("kasm/alice/next.mp4", payload(CLIP))
    assert answers.asked == [*asked.split(), "PUT", "PUT"]
    assert answers.header("If-None-Match") == "*"
    urls = {request.url.partition("probe-")[0] for request in answers.requests[:3]}
    assert urls == {"https://clips.s3.amazonaws.com/kasm/alice/.kasm-recd-"}


@pytest.mark.parametrize(
    ("trial", "asked"),
    [
        ([Answer(), Answer(), Answer(204)], "PUT PUT DELETE"),
        ([Answer(501, "NotImplemented")], "PUT"),
        ([Answer(400, "UnsupportedHeader")], "PUT"),
        ([Answer(), Answer(501), Answer(204)], "PUT PUT DELETE"),
    ],
)
def test_a_bucket_that_does_not_is_looked_at_before_each_put(
    payload: Callable[[bytes], Payload], trial: list[Answer], asked: str
) -> None:
    store = s3_store(conditional_put="auto")
    answers = Answers(store, *trial, ABSENT, Answer(), head(), ABSENT, Answer())
    store.put("clip.mp4", payload(CLIP))
    assert answers.asked == [*asked.split(), "HEAD", "PUT"]
    assert answers.header("If-None-Match") == ""
    with pytest.raises(KeyTaken):
        store.put("taken.mp4", payload(CLIP))
    store.put("free.mp4", payload(CLIP))
    assert answers.asked[len(asked.split()) + 2 :] == ["HEAD", "HEAD", "PUT"]


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (Answer(503, "SlowDown"), StoreUnavailable),
        (Answer(403, "AccessDenied"), StoreRefused),
        (Answer(400, "AuthorizationHeaderMalformed"), StoreRefused),
        (Answer(400, "RequestTimeout"), StoreUnavailable),
    ],
)
@pytest.mark.parametrize("before", [[], [Answer()]], ids=["first", "second"])
def test_a_trial_that_fails_settles_nothing(
    payload: Callable[[bytes], Payload],
    before: list[Answer],
    failure: Answer,
    raised: type[Exception],
) -> None:
    store = s3_store(conditional_put="auto")
    thrown_away = [Answer(204)] * len(before)
    answers = Answers(
        store, *before, failure, *thrown_away, Answer(), REFUSED, Answer(204), Answer()
    )
    with pytest.raises(raised):
        store.put("clip.mp4", payload(CLIP))
    store.put("clip.mp4", payload(CLIP))
    assert answers.asked[-4:] == ["PUT", "PUT", "DELETE", "PUT"]


@pytest.mark.parametrize(
    ("destination", "checksum"),
    [
        ("s3://clips@s3.amazonaws.com", "x-amz-checksum-sha256"),
        ("s3://clips@minio.example", "Content-MD5"),
    ],
)
def test_a_throw_away_object_carries_a_checksum_and_no_trailer(
    payload: Callable[[bytes], Payload], destination: str, checksum: str
) -> None:
    store = s3_store(destination, conditional_put="auto", sse="AES256")
    answers = Answers(store, Answer(), REFUSED, Answer(204), Answer())
    store.put("clip.mp4", payload(CLIP))
    for number in (0, 1):
        assert answers.header(checksum, number)
        assert answers.header("X-Amz-Trailer", number) == ""
        assert answers.header("If-None-Match", number) == "*"
        assert answers.header("x-amz-server-side-encryption", number) == "AES256"


def test_a_throw_away_object_that_cannot_be_deleted_is_named(
    payload: Callable[[bytes], Payload],
) -> None:
    store = s3_store(conditional_put="auto")
    Answers(store, Answer(), REFUSED, Answer(403, "AccessDenied"), Answer())
    with capture_logs() as logs:
        store.put("a/clip.mp4", payload(CLIP))
    (left,) = [entry for entry in logs if entry["event"] == "storage.probe_left"]
    assert left["log_level"] == "warning"
    assert left["key"].startswith("a/.kasm-recd-probe-")


@pytest.mark.parametrize(("wanted", "asked"), [("on", "PUT"), ("off", "HEAD PUT")])
def test_the_operators_word_needs_no_trial(
    payload: Callable[[bytes], Payload], wanted: str, asked: str
) -> None:
    store = s3_store(conditional_put=wanted)
    answers = Answers(store, *([ABSENT] if wanted == "off" else []), Answer())
    store.put("clip.mp4", payload(CLIP))
    assert answers.asked == asked.split()
