"""Whether a bucket heeds ``If-None-Match: *``: tried once, with an object that is thrown away."""

from __future__ import annotations

import hashlib
import posixpath
import socket
import threading
from http import HTTPStatus
from typing import Any, Final, Literal, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from kasm_recd.log import get_logger
from kasm_recd.s3.failures import is_known, status_of

log = get_logger(__name__)

#: What the names of throw-away objects begin with: the only ones that the least policy may delete.
PREFIX: Final = ".kasm-recd-probe-"
PROBE: Final = b"kasm-recd: does this store keep what it has?\n"


class Bucket(Protocol):
    """The two requests that the trial makes; they raise botocore's errors."""

    def put_bytes(self, key: str, data: bytes, **headers: Any) -> None: ...  # noqa: D102
    def delete_object(self, key: str) -> None: ...  # noqa: D102


class Conditions:
    """``wanted`` settles it, or ``auto`` leaves it to the first put of this process."""

    def __init__(self, wanted: Literal["auto", "on", "off"]) -> None:
        self._heeded = {"on": True, "off": False, "auto": None}[wanted]
        self._trial = threading.Lock()
        # One name for this host: what a killed daemon left is found, and thrown away, by the next.
        host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:16]
        self._name = f"{PREFIX}{host}"

    def heeded(self, bucket: Bucket, folder: str) -> bool:
        """Whether a conditional put protects what is there; tried in ``folder``.

        Raises botocore's errors when it could not be tried; the next call tries again.
        """
        with self._trial:
            if self._heeded is None:
                self._heeded = _try(bucket, posixpath.join(folder, self._name))
                log.info("storage.conditional_put", heeded=self._heeded)
            return self._heeded


def _try(bucket: Bucket, key: str) -> bool:
    """Puts an object twice; a store that heeds the condition refuses the second.

    A trial that was cut short may have left it there, which settles it at once.
    """
    first = _refusal(bucket, key)
    if first not in (None, HTTPStatus.PRECONDITION_FAILED):
        return False
    try:
        return first is not None or _refusal(bucket, key) == HTTPStatus.PRECONDITION_FAILED
    finally:
        _throw_away(bucket, key)


def _refusal(bucket: Bucket, key: str) -> int | None:
    """None if the put went through, else the status of an answer that is about the condition."""
    try:
        bucket.put_bytes(key, PROBE, IfNoneMatch="*")
    except ClientError as error:
        status = status_of(error)
        if status in (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_IMPLEMENTED):
            return status
        if status == HTTPStatus.BAD_REQUEST and not is_known(error):
            return status
        raise
    return None


def _throw_away(bucket: Bucket, key: str) -> None:
    try:
        bucket.delete_object(key)
    except (BotoCoreError, ClientError) as error:
        log.warning("storage.probe_left", key=key, error=str(error))
