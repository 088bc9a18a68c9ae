"""What botocore really sends to each kind of endpoint: URL, region, addressing, checksum."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.errors import StoreRefused
from tests.s3_answers import KEY, Answer, Answers, s3_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.storage import Payload

US, EU, GOV = "us-east-1", "eu-central-1", "us-gov-west-1"
VPCE = "bucket.vpce-1a2b3c4d-5e6f.s3.eu-west-1.vpce.amazonaws.com"
SHA256, MD5 = "x-amz-checksum-sha256", "Content-MD5"

# destination, URL of the object "a b.mp4", region that signs, checksum, settings
TABLE: list[tuple[str, str, str, str, dict[str, str]]] = [
    # AWS
    ("clips@s3.amazonaws.com", "https://clips.s3.amazonaws.com/", US, SHA256, {}),
    ("clips@s3.amazonaws.com", "https://clips.s3.eu-central-1.amazonaws.com/", EU, SHA256,
     {"region": EU}),
    ("clips@s3.eu-central-1.amazonaws.com", "https://clips.s3.eu-central-1.amazonaws.com/", EU,
     SHA256, {}),
    ("clips@s3-eu-central-1.amazonaws.com", "https://clips.s3-eu-central-1.amazonaws.com/", EU,
     SHA256, {}),
    ("clips@s3.dualstack.eu-central-1.amazonaws.com",
     "https://clips.s3.dualstack.eu-central-1.amazonaws.com/", EU, SHA256, {}),
    ("clips@s3.cn-north-1.amazonaws.com.cn", "https://clips.s3.cn-north-1.amazonaws.com.cn/",
     "cn-north-1", SHA256, {}),
    # GovCloud
    ("clips@s3-us-gov-west-1.amazonaws.com", "https://clips.s3-us-gov-west-1.amazonaws.com/", GOV,
     SHA256, {}),
    ("clips@s3-fips.us-gov-west-1.amazonaws.com",
     "https://clips.s3-fips.us-gov-west-1.amazonaws.com/", GOV, SHA256, {}),
    # VPC endpoint
    (f"clips@{VPCE}", f"https://{VPCE}/clips/", "eu-west-1", SHA256, {}),
    # Transfer Acceleration
    ("clips@s3-accelerate.amazonaws.com", "https://clips.s3-accelerate.amazonaws.com/", EU, SHA256,
     {"region": EU}),
    # Google Cloud Storage with HMAC keys
    ("clips@storage.googleapis.com", "https://storage.googleapis.com/clips/", US, MD5, {}),
    ("clips@storage.googleapis.com", "https://clips.storage.googleapis.com/", "auto", MD5,
     {"region": "auto", "addressing_style": "virtual"}),
    # Ceph, Swift, MinIO
    ("clips@rgw.example:7480", "http://rgw.example:7480/clips/", US, MD5, {"scheme": "http"}),
    ("clips@rgw.example", "https://rgw.example/clips/", "default", MD5, {"region": "default"}),
    ("clips@swift.example:8080", "http://swift.example:8080/clips/", US, MD5, {"scheme": "http"}),
    ("clips@minio.example:9000", "https://minio.example:9000/clips/", US, MD5, {}),
    ("clips@minio.example:9000", "https://minio.example:9000/clips/", US, SHA256,
     {"checksum_calculation": "when_supported"}),
    ("clips@10.0.0.7:9000", "http://10.0.0.7:9000/clips/", US, MD5, {"scheme": "http"}),
    ("clips@[fd00::1]:9000", "https://[fd00::1]:9000/clips/", US, MD5, {}),
    # the endpoint only looks like AWS
    ("clips@s3.eu-central-1.amazonaws.com.example",
     "https://s3.eu-central-1.amazonaws.com.example/clips/", US, MD5, {}),
    # names that are no host names
    ("my_clips@s3.amazonaws.com", "https://s3.amazonaws.com/my_clips/", US, SHA256, {}),
    ("MyClips@s3.amazonaws.com", "https://s3.amazonaws.com/MyClips/", US, SHA256, {}),
    ("my.clips@s3.amazonaws.com", "https://s3.amazonaws.com/my.clips/", US, SHA256, {}),
    ("my.clips@s3.amazonaws.com", "http://my.clips.s3.amazonaws.com/", US, SHA256,
     {"scheme": "http"}),
    ("my_clips@storage.googleapis.com", "https://storage.googleapis.com/my_clips/", US, MD5,
     {"addressing_style": "virtual"}),
    # what the operator says
    ("clips@s3.amazonaws.com", "https://s3.amazonaws.com/clips/", US, SHA256,
     {"addressing_style": "path"}),
    ("clips@s3.amazonaws.com", "https://clips.s3.amazonaws.com/", US, MD5,
     {"checksum_calculation": "when_required"}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "url", "region", "checksum", "options"), TABLE)
def test_what_is_sent(
    payload: Callable[[bytes], Payload],
    target: str,
    url: str,
    region: str,
    checksum: str,
    options: dict[str, Any],
) -> None:
    store = s3_store(f"s3://{target}", **options)
    answers = Answers(store, Answer())
    store.put("a b.mp4", payload(b"a clip"))
    assert answers.asked == ["PUT"]
    assert answers.requests[0].url == f"{url}a%20b.mp4"
    assert f"Credential={KEY}/" in answers.header("Authorization")
    assert f"/{region}/s3/aws4_request" in answers.header("Authorization")
    values = {
        SHA256: b64encode(hashlib.sha256(b"a clip").digest()).decode(),
        MD5: b64encode(hashlib.md5(b"a clip", usedforsecurity=False).digest()).decode(),
    }
    assert answers.header(checksum) == values.pop(checksum)
    assert [answers.header(other) for other in values] == [""]
    assert answers.header("Content-Length") == "6"
    for of_a_trailer in ("X-Amz-Trailer", "Transfer-Encoding", "Content-Encoding"):
        assert answers.header(of_a_trailer) == ""
    assert answers.header("If-None-Match") == "*"
    assert answers.header("Content-Type") == "video/mp4"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("", "")),
        ({"sse": "AES256"}, ("AES256", "")),
        ({"sse": "aws:kms"}, ("aws:kms", "")),
        ({"sse": "aws:kms", "sse_kms_key_id": "alias/clips"}, ("aws:kms", "alias/clips")),
        ({"sse_kms_key_id": "alias/clips"}, ("", "")),
    ],
)
def test_how_the_store_is_asked_to_encrypt(
    payload: Callable[[bytes], Payload], options: dict[str, str], expected: tuple[str, str]
) -> None:
    store = s3_store(**options)
    answers = Answers(store, Answer())
    store.put("clip.mp4", payload(b"x"))
    prefix = "x-amz-server-side-encryption"
    sent = (answers.header(prefix), answers.header(f"{prefix}-aws-kms-key-id"))
    assert sent == expected


@pytest.mark.parametrize("bucket", ["my_clips", "my.clips", "MyClips"])
def test_acceleration_of_a_bucket_that_is_no_host_name_is_refused(bucket: str) -> None:
    with pytest.raises(StoreRefused, match="no path-style") as refused:
        s3_store(f"s3://{bucket}@s3-accelerate.amazonaws.com")
    assert "regional endpoint" in refused.value.hint


def test_a_region_that_is_none_is_refused() -> None:
    with pytest.raises(StoreRefused, match="not a region"):
        s3_store(region="not a region")


def test_an_authority_file_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(StoreRefused, match=r"/nowhere/ca\.pem"):
        s3_store(ca_bundle="/nowhere/ca.pem")


def test_a_bucket_in_another_region_of_aws_is_followed(
    payload: Callable[[bytes], Payload],
) -> None:
    store = s3_store()
    answers = Answers(
        store,
        Answer(301, "PermanentRedirect", headers={"x-amz-bucket-region": EU}),
        Answer(),
    )
    store.put("clip.mp4", payload(b"x"))
    assert answers.requests[1].url == "https://clips.s3.eu-central-1.amazonaws.com/clip.mp4"
    assert f"/{EU}/s3/" in answers.header("Authorization")
    store.put("next.mp4", payload(b"x"))
    assert answers.asked == ["PUT", "PUT", "PUT"]  # it has learned
