"""S3 with a real server (OpenStack Swift) that goes away, hangs, or refuses."""

from __future__ import annotations

import ipaddress
import os
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import botocore.auth
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kasm_recd import storage
from kasm_recd.errors import KeyTaken, StoreRefused, StoreUnavailable
from kasm_recd.storage import Endpoint, Store, open_store, upload
from tests.storage_backends import contents_of, md5

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kasm_recd.storage import Payload
    from tests.swift_server import SwiftServer

LARGE = 40_000_000  # more than the sockets' buffers hold


@pytest.fixture
def opened(swift: SwiftServer, swift_bucket: str) -> Callable[..., Store]:
    """``opened(stop=…, secret=…, region=…)``: a store on the test's bucket."""

    def made(
        stop: threading.Event | None = None,
        *,
        bucket: str = swift_bucket,
        key: str = swift.key,
        secret: str = swift.secret,
        **options: Any,
    ) -> Store:
        timeouts = {"connect_timeout_s": 1.0, "read_timeout_s": 2.0}
        endpoint = Endpoint(**{"scheme": "http", **timeouts, **options})
        return open_store(
            swift.destination(bucket),
            endpoint=endpoint,
            key=key,
            secret=secret,
            stop=stop or threading.Event(),
        )

    return made


class Gate:
    """Lets a body be sent up to its middle, then waits; what is asked next decides."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self._read = storage.Body.read
        self._rounds = 0
        self._sent = 0
        monkeypatch.setattr(storage.Body, "read", lambda body, size=-1: self.read(body, size))

    def read(self, body: storage.Body, size: int = -1) -> bytes:
        # Small reads are those that go onto the wire; checksums read in larger pieces.
        if 0 < size < storage.Body.CHUNK:
            self._sent += size
            if self._sent > LARGE // 2 and not self.reached.is_set():
                self.reached.set()
                assert self.go_on.wait(30)
        return self._read(body, size)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


class Upload(threading.Thread):
    """``upload`` in a thread of its own; ``outcome`` is the proof or the error."""

    def __init__(self, store: Store, clip: Payload, stop: threading.Event, tries: int = 1) -> None:
        super().__init__(daemon=True)
        self.outcome: object = None
        self._arguments = (store, clip, stop, tries)
        self.start()

    def run(self) -> None:
        store, clip, stop, tries = self._arguments
        try:
            self.outcome = upload(store, "clip.mp4", clip, stop=stop, tries=tries)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.outcome = error

    def ended(self) -> object:
        self.join(30)
        assert not self.is_alive(), "the upload hangs"
        return self.outcome


def test_a_stopped_server_is_unavailable_and_well_again_later(
    swift: SwiftServer, opened: Callable[..., Store], payload: Callable[[bytes], Payload]
) -> None:
    store, clip = opened(), payload(b"a clip")
    swift.stop()
    with pytest.raises(StoreUnavailable) as away:
        store.put("clip.mp4", clip)
    assert "firewall" in away.value.hint
    with pytest.raises(StoreUnavailable):
        store.prove("clip.mp4", clip)
    swift.start()
    proof = upload(store, "clip.mp4", clip, stop=threading.Event())
    assert str(proof) == f"etag:{md5(b'a clip')}"


def test_a_server_paused_in_mid_body_ends_by_a_timeout_and_the_upload_is_repeated(
    swift: SwiftServer,
    swift_bucket: str,
    opened: Callable[..., Store],
    payload: Callable[[bytes], Payload],
    gate: Gate,
) -> None:
    data = os.urandom(LARGE)
    clip, stop = payload(data), threading.Event()
    store = opened(conditional_put="on")
    first = Upload(store, clip, stop)
    assert gate.reached.wait(30)
    swift.pause()
    gate.go_on.set()
    assert isinstance(first.ended(), StoreUnavailable)
    swift.resume()
    assert str(Upload(store, clip, stop, tries=3).ended()) == f"etag:{md5(data)}"
    assert contents_of(swift.client, swift_bucket) == {"clip.mp4": data}


def test_a_paused_server_that_never_answers_a_head_ends_by_a_timeout(
    swift: SwiftServer, opened: Callable[..., Store], payload: Callable[[bytes], Payload]
) -> None:
    store, clip = opened(), payload(b"x")
    store.put("clip.mp4", clip)
    swift.pause()
    with pytest.raises(StoreUnavailable):
        store.prove("clip.mp4", clip)
    swift.resume()
    store.prove("clip.mp4", clip)


def test_the_stop_event_ends_an_upload_in_mid_body(
    swift: SwiftServer,
    swift_bucket: str,
    opened: Callable[..., Store],
    payload: Callable[[bytes], Payload],
    gate: Gate,
) -> None:
    stop = threading.Event()
    running = Upload(opened(stop, conditional_put="on"), payload(bytes(LARGE)), stop, tries=3)
    assert gate.reached.wait(30)
    stop.set()
    gate.go_on.set()
    outcome = running.ended()
    assert isinstance(outcome, StoreUnavailable)
    assert str(outcome).startswith("stopped while")
    assert contents_of(swift.client, swift_bucket) == {}


def test_the_stop_event_ends_an_upload_that_hangs(
    swift: SwiftServer,
    opened: Callable[..., Store],
    payload: Callable[[bytes], Payload],
    gate: Gate,
) -> None:
    stop = threading.Event()
    running = Upload(opened(stop, conditional_put="on"), payload(bytes(LARGE)), stop, tries=100)
    assert gate.reached.wait(30)
    swift.pause()
    gate.go_on.set()
    running.join(0.3)
    stop.set()
    assert isinstance(running.ended(), StoreUnavailable)


def test_an_upload_whose_answer_was_lost_is_found_to_be_done(
    swift: SwiftServer,
    swift_bucket: str,
    opened: Callable[..., Store],
    payload: Callable[[bytes], Payload],
) -> None:
    clip = payload(b"a clip")
    swift.client.put_object(Bucket=swift_bucket, Key="clip.mp4", Body=b"a clip")
    modified = swift.client.head_object(Bucket=swift_bucket, Key="clip.mp4")["LastModified"]
    upload(opened(), "clip.mp4", clip, stop=threading.Event())
    assert (
        modified == (swift.client.head_object(Bucket=swift_bucket, Key="clip.mp4")["LastModified"])
    )


def test_without_conditions_what_lies_there_is_still_not_replaced(
    swift: SwiftServer,
    swift_bucket: str,
    opened: Callable[..., Store],
    payload: Callable[[bytes], Payload],
) -> None:
    store = opened(conditional_put="off")
    store.put("clip.mp4", payload(b"first"))
    with pytest.raises(KeyTaken):
        store.put("clip.mp4", payload(b"second"))
    assert contents_of(swift.client, swift_bucket) == {"clip.mp4": b"first"}


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"secret": "wrong"}, "recording_object_storage_secret"),
        ({"key": "nobody:at-all"}, "recording_object_storage_"),
        ({"bucket": "never-made"}, "Create the bucket"),
    ],
    ids=str,
)
@pytest.mark.parametrize("conditional_put", ["auto", "on"])
def test_a_set_up_that_is_wrong_is_refused_with_a_hint(
    opened: Callable[..., Store],
    payload: Callable[[bytes], Payload],
    options: dict[str, str],
    hint: str,
    conditional_put: str,
) -> None:
    store = opened(**options, conditional_put=conditional_put)
    with pytest.raises(StoreRefused) as refused:
        upload(store, "clip.mp4", payload(b"x"), stop=threading.Event())
    assert hint in refused.value.hint


def test_a_wrong_region_is_mended_by_what_the_server_says(
    swift: SwiftServer,
    swift_bucket: str,
    opened: Callable[..., Store],
    payload: Callable[[bytes], Payload],
) -> None:
    upload(opened(region="eu-west-3"), "clip.mp4", payload(b"x"), stop=threading.Event())
    assert contents_of(swift.client, swift_bucket) == {"clip.mp4": b"x"}


def test_a_clock_that_is_wrong_is_refused_with_a_hint(
    opened: Callable[..., Store],
    payload: Callable[[bytes], Payload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    an_hour_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: an_hour_ago)
    with pytest.raises(StoreRefused) as refused:
        opened().put("clip.mp4", payload(b"x"))
    assert "set the time" in refused.value.hint


def test_tls_to_a_port_without_it_is_refused_with_a_hint(
    opened: Callable[..., Store], payload: Callable[[bytes], Payload]
) -> None:
    with pytest.raises(StoreRefused) as refused:
        opened(scheme="https").put("clip.mp4", payload(b"x"))
    assert "storage_scheme" in refused.value.hint


class Accepting(BaseHTTPRequestHandler):
    """Takes every PUT."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """``127.0.0.1:port`` of a server with a certificate of its own, and that certificate."""
    pem = tmp_path / "ca.pem"
    pem.write_bytes(_self_signed("127.0.0.1"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with ThreadingHTTPServer(("127.0.0.1", 0), Accepting) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", pem
        server.shutdown()
        thread.join()


def _self_signed(address: str) -> bytes:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    named = x509.IPAddress(ipaddress.ip_address(address))
    certificate = (
        x509.CertificateBuilder(subject, subject, private.public_key(), 1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([named]), critical=False)
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_counts_only_if_its_authority_is_known(
    tls_server: tuple[str, Path], payload: Callable[[bytes], Payload], known: bool
) -> None:
    address, pem = tls_server
    endpoint = Endpoint(conditional_put="on", ca_bundle=str(pem) if known else "")
    store = open_store(
        f"s3://clips@{address}", endpoint=endpoint, key="k", secret="", stop=threading.Event()
    )
    try:
        if known:
            store.put("clip.mp4", payload(b"x"))
            return
        with pytest.raises(StoreRefused) as refused:
            store.put("clip.mp4", payload(b"x"))
        assert "storage_ca_bundle" in refused.value.hint
    finally:
        store.close()
