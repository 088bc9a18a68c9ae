"""What a bucket can do and what its rules are, found out request by request; for ``doctor``.

Every call is one request or a few, and raises our own errors (:mod:`kasm_recd.errors`) with their
hints. What is written is thrown away again, under a name that no clip has.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from kasm_recd.errors import RecdError
from kasm_recd.s3.client import build_client
from kasm_recd.s3.conditions import PREFIX
from kasm_recd.s3.dialect import Dialect, dialect_of
from kasm_recd.s3.failures import failure_of, status_of
from kasm_recd.s3.store import S3Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_s3 import S3Client

    from kasm_recd.location import Destination
    from kasm_recd.storage import Endpoint

CONTENT: Final = b"kasm-recd doctor: this object is thrown away\n"
#: Codes that say that nothing was configured, store by store.
_NOTHING_SET: Final = frozenset(
    {
        "NoSuchLifecycleConfiguration",
        "NoSuchCORSConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "InvalidRequest",  # Ceph: the bucket was made without object lock
    }
)


class NotTold(RecdError):
    """The bucket's rule cannot be read: no right to, or the store has no such thing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A lifecycle rule that deletes: after ``days``, what lies under ``prefix``."""

    name: str
    prefix: str
    days: int


class Examination:
    """One bucket, as the settings reach it; throw-away objects lie in ``folder``."""

    def __init__(
        self, target: Destination, *, endpoint: Endpoint, key: str, secret: str, folder: str
    ) -> None:
        self.dialect: Dialect = dialect_of(target, endpoint)
        self.client: S3Client = build_client(
            self.dialect, endpoint=endpoint, key=key, secret=secret
        )
        self.store = S3Store(
            target, endpoint=endpoint, key=key, secret=secret, stop=threading.Event()
        )
        self.bucket = target.bucket
        name = f"{PREFIX}doctor-{secrets.token_hex(4)}"
        self.key = f"{folder}/{name}" if folder else name
        self._name = str(target)

    def close(self) -> None:
        """Gives the connections back."""
        self.client.close()
        self.store.close()

    def reach(self) -> str:
        """The bucket's region, empty where it is not told; an error is a mere status."""
        with self._talking("look at"):
            answer = self.client.head_bucket(Bucket=self.bucket)
        return answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", "")

    def put(self, **headers: Any) -> Mapping[str, Any]:
        """Writes the throw-away object with ``headers``; what the store answered."""
        with self._talking("write to"):
            answer: Mapping[str, Any] = self._write(**headers)
        return answer

    def heeds_condition(self) -> bool:
        """Whether a second conditional write of an object that is there is refused."""
        try:
            self._write(IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) == HTTPStatus.PRECONDITION_FAILED:
                return True
            if status_of(error) in (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.BAD_REQUEST):
                return False
            raise failure_of(error, f"write conditionally to {self._name}") from None
        return False

    def checks_checksums(self) -> bool:
        """Whether bytes that do not match their checksum are refused."""
        try:
            self._write(md5_of=b"something else")
        except ClientError as error:
            return bool(status_of(error) == HTTPStatus.BAD_REQUEST)
        return False

    def read(self) -> bytes:
        """The throw-away object's bytes."""
        with self._talking("read from"):
            return self.client.get_object(Bucket=self.bucket, Key=self.key)["Body"].read()

    def tells_what_is_missing(self) -> bool:
        """Whether a HEAD of nothing says 404; without the right to list it says 403."""
        try:
            self.client.head_object(Bucket=self.bucket, Key=f"{self.key}-missing")
        except ClientError as error:
            return status_of(error) == HTTPStatus.NOT_FOUND
        return True

    def delete(self) -> None:
        """Throws the object away."""
        with self._talking("delete from"):
            self.client.delete_object(Bucket=self.bucket, Key=self.key)

    def may_delete(self, key: str) -> bool:
        """Whether the key has the right to delete ``key``, which must not exist."""
        try:
            self.client.delete_object(Bucket=self.bucket, Key=key)
        except ClientError:
            return False
        return True

    def expirations(self) -> list[Rule]:
        """Lifecycle rules that delete; raises NotTold."""
        answer = self._rule(self.client.get_bucket_lifecycle_configuration) or {}
        rules = [each for each in answer.get("Rules", []) if each.get("Status") == "Enabled"]
        return [
            Rule(str(each.get("ID", "")), _prefix(each), int(each["Expiration"]["Days"]))
            for each in rules
            if "Days" in each.get("Expiration", {})
        ]

    def lock(self) -> str:
        """The bucket's default retention in words; empty where it has none; raises NotTold."""
        answer = self._rule(self.client.get_object_lock_configuration) or {}
        found = (
            answer.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
        )
        if not found:
            return ""
        return f"{found.get('Mode')}, {found.get('Days') or found.get('Years')} " + (
            "days" if "Days" in found else "years"
        )

    @property
    def url(self) -> str:
        """The throw-away object's address, unsigned."""
        signed: str = self.client.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": self.key}
        )
        return signed.partition("?")[0]

    def add_cors(self, rule: Mapping[str, Any]) -> None:
        """Puts a rule before those that the bucket has."""
        answer = self._rule(self.client.get_bucket_cors) or {}
        rules: list[Any] = [rule, *(each for each in answer.get("CORSRules", []) if each != rule)]
        with self._talking("set the CORS rules of"):
            self.client.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": rules})

    def _rule(self, ask: Callable[..., Any]) -> Any:
        try:
            return ask(Bucket=self.bucket)
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if code in _NOTHING_SET or (
                status_of(error) == HTTPStatus.NOT_FOUND and code != "NoSuchBucket"
            ):
                return None
            raise NotTold(str(failure_of(error, f"ask {self._name}"))) from None
        except BotoCoreError as error:
            raise failure_of(error, f"ask {self._name}") from None

    def _write(self, *, md5_of: bytes = CONTENT, **headers: Any) -> Any:
        digest = hashlib.md5(md5_of, usedforsecurity=False).digest()
        headers["ContentMD5"] = base64.b64encode(digest).decode()
        return self.client.put_object(Bucket=self.bucket, Key=self.key, Body=CONTENT, **headers)

    @contextmanager
    def _talking(self, what: str) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise failure_of(error, f"{what} {self._name}") from None


def _prefix(rule: Mapping[str, Any]) -> str:
    found = rule.get("Filter", {})
    return str(
        found.get("Prefix") or found.get("And", {}).get("Prefix") or rule.get("Prefix") or ""
    )
