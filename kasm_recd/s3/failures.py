"""What an S3 answer, or the lack of one, means: who must act, and what to do. Pure.

The error code decides where it is known, else the HTTP status: a HEAD has no body, and stores that
are not AWS make up codes of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ProxyConnectionError, SSLError

from kasm_recd.errors import KeyTaken, RecdError, StoreRefused, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Meaning:
    """The error class that an answer becomes, and the hint (blank: the class's own)."""

    kind: type[RecdError]
    hint: str = ""


_PASSING: Final = Meaning(StoreUnavailable)
_DAMAGED: Final = Meaning(
    StoreUnavailable, "Bytes were changed on their way; a proxy in between may rewrite bodies."
)
_REGION: Final = (
    "The bucket is in another region{region}: set storage_region, or name the region's endpoint in "
    "session_recording_upload_location."
)
_KEY: Final = "Check recording_object_storage_key: the store does not know it."
_SECRET: Final = (
    "Check recording_object_storage_secret (and storage_region): the signature does not match."  # noqa: S105 - a hint, no secret
)
_RIGHTS: Final = (
    "Grant the key s3:PutObject, s3:GetObject, s3:ListBucket and s3:DeleteObject on this bucket, "
    "and kms:GenerateDataKey and kms:Decrypt where it is encrypted with a KMS key."
)
_BUCKET: Final = "Create the bucket, or correct session_recording_upload_location."
_CLOCK: Final = "This machine's clock and the store's differ: set the time (chrony, timesyncd)."
_KMS: Final = "Check storage_sse_kms_key_id, and the key's state, region and policy."
_CHECKSUM: Final = "Set storage_checksum_calculation = 'when_required'."
_UNSUPPORTED: Final = (
    "The store lacks something that was asked of it: try storage_sse = 'none', conditional_put = "
    "'off' and storage_checksum_calculation = 'when_required'."
)
_TOO_LARGE: Final = "The store takes no object of this size; raise its limit (or the proxy's)."
_TLS: Final = (
    "Set storage_ca_bundle to the PEM file of the authority that signed the store's certificate, "
    "and check the endpoint's name and port, storage_scheme and this machine's clock."
)
_BROKEN_OFF: Final = re.compile(r"EOF|timed out|reset", re.IGNORECASE)
_PROXY: Final = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the service's environment."
_REACH: Final = (
    "Check that this machine reaches the endpoint (name, port, firewall, storage_scheme); uploads "
    "go on by themselves."
)

BY_CODE: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "PreconditionFailed": Meaning(KeyTaken),
        "ConditionalRequestConflict": _PASSING,  # another write of this key is under way
        "OperationAborted": _PASSING,
        "RequestTimeout": _PASSING,  # a 400 on AWS
        "IncompleteBody": _PASSING,
        "SlowDown": _PASSING,
        "BadDigest": _DAMAGED,
        "InvalidDigest": _DAMAGED,
        "XAmzContentSHA256Mismatch": _DAMAGED,
        "XAmzContentChecksumMismatch": _DAMAGED,
        "NoSuchKey": _PASSING,  # asked for only after it was put
        "NoSuchBucket": Meaning(StoreRefused, _BUCKET),
        "InvalidBucketName": Meaning(StoreRefused, _BUCKET),
        "AccountProblem": Meaning(StoreRefused, "Ask the store's provider about the account."),
        "InvalidAccessKeyId": Meaning(StoreRefused, _KEY),
        "SignatureDoesNotMatch": Meaning(StoreRefused, _SECRET),
        "AccessDenied": Meaning(StoreRefused, _RIGHTS),
        "AllAccessDisabled": Meaning(StoreRefused, _RIGHTS),
        "RequestTimeTooSkewed": Meaning(StoreRefused, _CLOCK),
        "RequestExpired": Meaning(StoreRefused, _CLOCK),
        "PermanentRedirect": Meaning(StoreRefused, _REGION),
        "AuthorizationHeaderMalformed": Meaning(StoreRefused, _REGION),
        "IllegalLocationConstraintException": Meaning(StoreRefused, _REGION),
        "MissingContentLength": Meaning(StoreRefused, _CHECKSUM),
        "EntityTooLarge": Meaning(StoreRefused, _TOO_LARGE),
        "NotImplemented": Meaning(StoreRefused, _UNSUPPORTED),
        "KMS.DisabledException": Meaning(StoreRefused, _KMS),
        "KMS.NotFoundException": Meaning(StoreRefused, _KMS),
        "KMS.KMSInvalidStateException": Meaning(StoreRefused, _KMS),
        "QuotaExceeded": Meaning(StoreRefused, "Raise the bucket's quota, or let objects expire."),
    }
)
BY_STATUS: Final[Mapping[int, Meaning]] = MappingProxyType(
    {
        301: Meaning(StoreRefused, _REGION),
        307: Meaning(StoreUnavailable, _REGION),  # a young bucket's name is on its way
        400: Meaning(StoreRefused, _REGION.replace("is", "may be", 1)),  # all that a HEAD says
        401: Meaning(StoreRefused, _KEY),
        403: Meaning(StoreRefused, _RIGHTS),
        404: _PASSING,
        405: Meaning(StoreRefused, "This is no S3 endpoint: check the upload location."),
        407: Meaning(StoreRefused, _PROXY),
        408: _PASSING,
        409: _PASSING,
        411: Meaning(StoreRefused, _CHECKSUM),
        412: Meaning(KeyTaken),
        413: Meaning(StoreRefused, _TOO_LARGE),
        425: _PASSING,
        429: _PASSING,
        501: Meaning(StoreRefused, _UNSUPPORTED),
        507: Meaning(StoreUnavailable, "The store is full; uploads go on when it has room."),
    }
)


def failure_of(error: BotoCoreError | ClientError, what: str) -> RecdError:
    """The error to raise for ``error``; ``what`` was being done, e.g. ``put s3://bucket/key``."""
    if isinstance(error, ClientError):
        return _failure_of_answer(error.response, what)
    if isinstance(within := error.kwargs.get("error"), RecdError):
        return within  # what the body raised while it was sent
    reason = _shown(str(error))
    if isinstance(error, SSLError) and not _BROKEN_OFF.search(reason):
        return StoreRefused(f"{what}: {reason}", hint=_TLS)
    hint = _PROXY if isinstance(error, ProxyConnectionError) else _REACH
    return StoreUnavailable(f"{what}: {reason}", hint=hint)


def status_of(error: ClientError) -> int:
    """The HTTP status of the answer."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def is_known(error: ClientError) -> bool:
    """Whether the answer's code has a meaning of its own here."""
    return error.response["Error"].get("Code") in BY_CODE


def _failure_of_answer(response: Mapping[str, Any], what: str) -> RecdError:
    error, metadata = response["Error"], response["ResponseMetadata"]
    code, status = str(error.get("Code", "")), int(metadata["HTTPStatusCode"])
    meaning = BY_CODE.get(code) or BY_STATUS.get(status) or _otherwise(status)
    region = error.get("Region") or metadata["HTTPHeaders"].get("x-amz-bucket-region")
    hint = meaning.hint.replace("{region}", f", {_shown(region)}" if region else "")
    named = "" if code == str(status) else f" {code}"
    message = f"{what}: HTTP {status}{named} {error.get('Message', '')}"
    return meaning.kind(_shown(message).strip(), hint=hint)


def _otherwise(status: int) -> Meaning:
    return _PASSING if status >= 500 else Meaning(StoreRefused)  # noqa: PLR2004 - HTTP's own line


def _shown(text: str) -> str:
    """What a server said, on one line of bounded length."""
    return re.sub(r"\s+", " ", text)[:400]
