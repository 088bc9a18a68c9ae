"""How an S3 endpoint is spoken to, as its name tells: URL, region, addressing, checksums. Pure.

    endpoint                                region          addressing  checksums
    s3.amazonaws.com (the default)          us-east-1       virtual     when_supported
    s3.REGION, s3-REGION .amazonaws.com     REGION          virtual     when_supported
    bucket.vpce-ID.s3.REGION.vpce...        REGION          path        when_supported
    s3-accelerate.amazonaws.com             us-east-1       virtual     when_supported
    anything else (GCS, Ceph, Swift, MinIO) us-east-1       path        when_required

Settings come before this table. Whatever they say, a bucket whose name is no host name (upper case,
underscore; dots, under TLS) goes path-style: its certificate or its DNS name could not exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from kasm_recd.errors import StoreRefused
from kasm_recd.location import DEFAULT_ENDPOINT

if TYPE_CHECKING:
    from kasm_recd.location import Destination
    from kasm_recd.storage import Endpoint

DEFAULT_REGION: Final = "us-east-1"

_AWS: Final = re.compile(r"(?:^|\.)amazonaws\.com(?:\.cn)?$")
_AWS_REGION: Final = re.compile(
    r"(?:^|\.)s3(?:-fips)?[.-](?:dualstack\.)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\."
)
_HOST_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")
_HOST_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Dialect:
    """``url`` is None where botocore's own rules give it, so that it can follow a redirect."""

    url: str | None
    region: str
    addressing: Literal["path", "virtual"]
    checksum: Literal["when_supported", "when_required"]


def dialect_of(target: Destination, endpoint: Endpoint) -> Dialect:
    """How to speak to ``target``; raises StoreRefused when the options cannot work together."""
    host = re.sub(r":\d+$", "", target.endpoint)
    addressing = _addressing(target.bucket, host, endpoint)
    if host.startswith("s3-accelerate.") and addressing == "path":
        raise StoreRefused(
            f"s3://{target.bucket}@{target.endpoint}: Transfer Acceleration has no path-style",
            hint="Use the bucket's regional endpoint, or a bucket with neither dots nor capitals.",
        )
    implied: bool = target.endpoint == DEFAULT_ENDPOINT and endpoint.scheme == "https"
    return Dialect(
        url=None if implied else f"{endpoint.scheme}://{target.endpoint}",
        region=endpoint.region or _region(host),
        addressing=addressing,
        checksum=_checksum(host, endpoint),
    )


def _region(host: str) -> str:
    named = _AWS_REGION.search(host) if _AWS.search(host) else None
    return named["region"] if named else DEFAULT_REGION


def _addressing(bucket: str, host: str, endpoint: Endpoint) -> Literal["path", "virtual"]:
    label = _HOST_LABEL if endpoint.scheme == "https" else _HOST_NAME
    if not label.fullmatch(bucket):
        return "path"
    if endpoint.addressing_style != "auto":
        return endpoint.addressing_style
    return "virtual" if _AWS.search(host) and ".vpce." not in host else "path"


def _checksum(host: str, endpoint: Endpoint) -> Literal["when_supported", "when_required"]:
    if endpoint.checksum_calculation != "auto":
        return endpoint.checksum_calculation
    return "when_supported" if _AWS.search(host) else "when_required"
