"""Objects in an S3 bucket: one atomic PutObject each, and the strongest proof that can be had.

A PutObject carries a checksum that the store verifies (SHA-256, else Content-MD5; never a trailer)
and ``If-None-Match: *``; where the store does not heed that, a HEAD goes before it. No more rights
are needed than Kasm's operators grant: GetObject, PutObject, ListBucket and DeleteObject. So there
is no multipart upload.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
from contextlib import closing, contextmanager
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import BotoCoreError, ClientError

from kasm_recd.errors import KeyTaken, StoreRefused, StoreUnavailable
from kasm_recd.s3.client import build_client
from kasm_recd.s3.conditions import Conditions
from kasm_recd.s3.dialect import dialect_of
from kasm_recd.s3.failures import failure_of, status_of
from kasm_recd.storage import Proof, opened

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator

    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

    from kasm_recd.location import Destination
    from kasm_recd.storage import Body, Endpoint, Payload

LARGEST_PUT: Final = 5 * 1024**3  # bytes, S3's limit for one PutObject
CHUNK: Final = 1 << 20

_MD5_ETAG: Final = re.compile(r'"?([0-9a-f]{32})"?')


class S3Store:
    """Keeps :class:`~kasm_recd.storage.Store`'s contract with the objects of one bucket."""

    def __init__(
        self,
        target: Destination,
        *,
        endpoint: Endpoint,
        key: str,
        secret: str,
        stop: threading.Event,
    ) -> None:
        dialect = dialect_of(target, endpoint)
        self._client = build_client(dialect, endpoint=endpoint, key=key, secret=secret)
        self._bucket = target.bucket
        self._name = str(target)
        self._stop = stop
        self._sends_sha256 = dialect.checksum == "when_supported"
        self._encryption = _encryption(endpoint)
        self._conditions = Conditions(endpoint.conditional_put)

    def put(self, key: str, payload: Payload) -> None:
        """See the contract.

        Where the store looks at the condition before the body (Swift), or not at all, two writers
        of one key at one moment can both succeed. The journal gives a key to one segment only.
        """
        if payload.size > LARGEST_PUT:
            raise StoreRefused(
                f"{payload.path} has {payload.size} bytes, one PutObject takes {LARGEST_PUT}",
                hint="Lower segment_size: an object is put in one piece, at most 5 GiB.",
            )
        with self._talking("put", key), opened(payload, stop=self._stop) as body:
            conditional = self._conditions.heeded(self, posixpath.dirname(key))
            if not conditional and self._is_there(key):
                raise KeyTaken(f"an object lies under {self._name}/{key}")
            condition = {"IfNoneMatch": "*"} if conditional else {}
            checksum = self._checksum(payload.sha256, _verified_md5(body, payload))
            body.seek(0)
            self._put_object(key, body, ContentType=payload.content_type, **checksum, **condition)

    def prove(self, key: str, payload: Payload) -> Proof:
        """See the contract: HEAD's checksum, else an ETag that is the MD5, else all the bytes."""
        with self._talking("prove", key), opened(payload, stop=self._stop) as body:
            head = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
            if head.get("ContentLength", payload.size) != payload.size:
                raise self._taken(key)
            if stated := _whole_sha256(head):
                if stated != payload.sha256:
                    raise self._taken(key)
                return Proof("checksum", stated)
            if (stated := _md5_etag(head)) and stated == _verified_md5(body, payload):
                return Proof("etag", stated)
            if _sha256(self._fetched(key)) != payload.sha256:
                raise self._taken(key)
            return Proof("readback", payload.sha256)

    def close(self) -> None:
        """See the contract."""
        self._client.close()

    def put_bytes(self, key: str, data: bytes, **headers: Any) -> None:
        """One small PutObject; raises botocore's own errors."""
        sha256, md5 = hashlib.sha256(data), hashlib.md5(data, usedforsecurity=False)
        checksum = self._checksum(sha256.hexdigest(), md5.hexdigest())
        self._put_object(key, data, **checksum, **headers)

    def delete_object(self, key: str) -> None:
        """One DeleteObject; raises botocore's own errors."""
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def _is_there(self, key: str) -> bool:
        try:
            self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if status_of(error) == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def _put_object(self, key: str, body: Body | bytes, **headers: Any) -> None:
        file = body if isinstance(body, bytes) else cast("IO[bytes]", body)
        self._client.put_object(
            Bucket=self._bucket, Key=key, Body=file, **headers, **self._encryption
        )

    def _checksum(self, sha256: str, md5: str) -> dict[str, str]:
        """What the store verifies before it takes the object, sent ahead of the body."""
        if self._sends_sha256:
            return {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": _base64(sha256)}
        return {"ContentMD5": _base64(md5)}

    def _fetched(self, key: str) -> Iterator[bytes]:
        with closing(self._client.get_object(Bucket=self._bucket, Key=key)["Body"]) as fetched:
            for chunk in fetched.iter_chunks(CHUNK):
                if self._stop.is_set():
                    raise StoreUnavailable(f"stopped while {self._name}/{key} was read back")
                yield chunk

    @contextmanager
    def _talking(self, what: str, key: str) -> Iterator[None]:
        """Turns botocore's errors into ours; what a body raised passes through them."""
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise failure_of(error, f"{what} {self._name}/{key}") from None

    def _taken(self, key: str) -> KeyTaken:
        return KeyTaken(f"another object lies under {self._name}/{key}")


def _encryption(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.sse == "none":
        return {}
    key_id = {"SSEKMSKeyId": endpoint.sse_kms_key_id} if endpoint.sse_kms_key_id else {}
    return {"ServerSideEncryption": endpoint.sse, **key_id}


def _whole_sha256(head: HeadObjectOutputTypeDef) -> str:
    """The store's SHA-256 of the whole object, in hex; blank where it states none."""
    stated = head.get("ChecksumSHA256", "")
    if not stated or "-" in stated or head.get("ChecksumType") == "COMPOSITE":
        return ""  # of a multipart object: a checksum of checksums
    return base64.b64decode(stated).hex()


def _md5_etag(head: HeadObjectOutputTypeDef) -> str:
    """The ETag where it can be an MD5; under KMS it looks like one and is not."""
    found = _MD5_ETAG.fullmatch(head.get("ETag", ""))
    encrypted = str(head.get("ServerSideEncryption", "")).startswith("aws:kms")
    return found[1] if found and not encrypted else ""


def _verified_md5(body: Body, payload: Payload) -> str:
    """The MD5 of the file; raises StoreUnavailable if the file is not what was journaled."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    for chunk in body.chunks():
        sha256.update(chunk)
        md5.update(chunk)
    if sha256.hexdigest() != payload.sha256:
        raise StoreUnavailable(f"{payload.path} is not what the journal knows of it")
    return md5.hexdigest()


def _sha256(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
