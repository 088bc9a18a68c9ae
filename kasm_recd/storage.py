"""Puts a file, proves that it is there, says which failures are final.

:class:`Store` is the contract; S3 and a folder keep it, and pass one suite of tests. Retrying is
composed around it once, in :func:`upload`: a store itself never repeats anything.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import tenacity
from tenacity.stop import stop_after_attempt, stop_when_event_set
from tenacity.wait import wait_exponential, wait_random

from kasm_recd.errors import KeyTaken, StoreUnavailable
from kasm_recd.location import destination_of
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

log = get_logger(__name__)

#: Seconds before the second try, doubled for each later one, and up to as much at random.
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How to speak to an S3 endpoint; ``auto`` is what is known to work there.

    ``region`` signs the requests; where it is blank the endpoint's name says it, or ``us-east-1``.
    ``checksum_calculation``: ``when_supported`` sends a SHA-256 with each object,
    ``when_required`` the Content-MD5 that every store knows; neither ever sends a trailer.
    ``conditional_put``: whether ``If-None-Match: *`` protects what lies there already.
    ``ca_bundle`` is the path of a PEM file; blank trusts the authorities that certifi ships.
    """

    scheme: Literal["https", "http"] = "https"
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    region: str = ""
    checksum_calculation: Literal["auto", "when_supported", "when_required"] = "auto"
    conditional_put: Literal["auto", "on", "off"] = "auto"
    sse: Literal["none", "AES256", "aws:kms"] = "none"
    sse_kms_key_id: str = ""
    ca_bundle: str = ""
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Payload:
    """A durable local file to be stored; ``sha256`` (hex) is what the journal knows of it."""

    path: Path
    size: int
    sha256: str
    content_type: str


class Body:
    """The bytes of a payload as a file; reading raises StoreUnavailable once ``stop`` is set.

    A thread in the middle of an upload cannot be cancelled; this is what ends it.
    """

    CHUNK: Final = 1 << 20

    def __init__(self, file: BinaryIO, *, name: str, stop: threading.Event) -> None:
        self._file = file
        self._name = name
        self._stop = stop

    def read(self, size: int = -1) -> bytes:
        """As a file's; also raises StoreUnavailable where the disk fails."""
        if self._stop.is_set():
            raise StoreUnavailable(f"stopped while {self._name} was read")
        try:
            return self._file.read(size)
        except OSError as error:
            raise StoreUnavailable(f"cannot read {self._name}: {error.strerror}") from error

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As a file's."""
        return self._file.tell()

    def chunks(self) -> Iterator[bytes]:
        """The rest, piece by piece."""
        while chunk := self.read(self.CHUNK):
            yield chunk


@contextmanager
def opened(payload: Payload, *, stop: threading.Event) -> Iterator[Body]:
    """The payload's bytes; raises StoreUnavailable if its file cannot be opened."""
    try:
        file = payload.path.open("rb")
    except OSError as error:
        raise StoreUnavailable(f"cannot open {payload.path}: {error.strerror}") from error
    with file:
        yield Body(file, name=str(payload.path), stop=stop)


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that the store holds exactly the payload; ``means:value`` in the journal.

    ``checksum``: the store's own SHA-256. ``etag``: the store's own MD5. ``readback``: all bytes
    were fetched and compared. ``file``: all bytes were read from the folder and compared.
    """

    means: Literal["checksum", "etag", "readback", "file"]
    value: str

    def __str__(self) -> str:
        return f"{self.means}:{self.value}"


class Store(Protocol):
    """Somewhere to keep objects. Synchronous and thread-safe; called in threads.

    Every call ends within the timeouts it was built with, and soon after the stop event is set.
    """

    def put(self, key: str, payload: Payload) -> None:
        """Store ``payload`` under ``key``, in one atomic step.

        After a return the object is durable. After an error it is there as a whole or not at all,
        and the call may be repeated. What lies under the key already is never replaced.

        Raises:
            KeyTaken: something lies there; perhaps the very payload, :meth:`prove` says.
            StoreUnavailable: passing; the same call may succeed later.
            StoreRefused: final, until the operator changes something.
        """

    def prove(self, key: str, payload: Payload) -> Proof:
        """The strongest evidence that can be had that ``key`` holds exactly ``payload``.

        It rests on what the store computed or gave back, never on metadata that we wrote.
        Changes nothing and may be repeated.

        Raises:
            KeyTaken: something else lies there; final for this key.
            StoreUnavailable: passing; also when nothing lies there.
            StoreRefused: final, until the operator changes something.
        """

    def close(self) -> None:
        """Give connections back. The store is not used after."""


def upload(
    store: Store, key: str, payload: Payload, *, stop: threading.Event, tries: int = 3
) -> Proof:
    """Put and prove, up to ``tries`` times while the store is unavailable; may be repeated.

    An object that is there already counts as put if it is proved to be the payload. Between tries
    the wait doubles, with jitter; the stop event ends a wait at once.

    Raises:
        KeyTaken: something else lies under the key.
        StoreUnavailable: the last try's reason, or the stop event was set.
        StoreRefused: at once, it is never retried.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(StoreUnavailable),
        stop=stop_after_attempt(tries) | stop_when_event_set(stop),
        wait=wait_exponential(FIRST_WAIT_S, max=LONGEST_WAIT_S) + wait_random(0, FIRST_WAIT_S),
        sleep=tenacity.sleep_using_event(stop),
        before_sleep=lambda state: _log_retry(state, key),
        reraise=True,
    )
    return retrying(_put_and_prove, store, key, payload, stop)


def open_store(
    destination: str, *, endpoint: Endpoint, key: str, secret: str, stop: threading.Event
) -> Store:
    """The store behind ``s3://bucket@endpoint`` or ``file:///folder``; contacts nothing yet.

    Raises:
        LocationInvalid: ``destination`` is neither.
        StoreRefused: the endpoint's options cannot work together.
    """
    target = destination_of(destination)
    if target.scheme == "file":
        from kasm_recd.filestore import FileStore  # noqa: PLC0415 - it imports this contract

        return FileStore(target.folder, stop=stop)
    from kasm_recd.s3 import S3Store  # noqa: PLC0415 - as above, and boto3 loads only where needed

    return S3Store(target, endpoint=endpoint, key=key, secret=secret, stop=stop)


def _put_and_prove(store: Store, key: str, payload: Payload, stop: threading.Event) -> Proof:
    if stop.is_set():
        raise StoreUnavailable(f"the upload of {key} was stopped")
    try:
        store.put(key, payload)
    except KeyTaken:
        log.debug("storage.key_has_object", key=key)
    return store.prove(key, payload)


def _log_retry(state: tenacity.RetryCallState, key: str) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait_s = round(state.upcoming_sleep, 2)
    log.info(
        "storage.retry", key=key, attempt=state.attempt_number, wait_s=wait_s, error=str(error)
    )
