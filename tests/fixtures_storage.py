"""Object stores for tests, each started once a session, and a bucket for each test."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from moto.server import ThreadedMotoServer

from kasm_recd.storage import Payload
from tests.swift_server import SwiftServer, SwiftUnavailable, installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

_numbers = itertools.count(1)
_install_failure: str | None = None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install Swift before the first test: an installation takes longer than a test may."""
    global _install_failure  # noqa: PLW0603 - written once, before any test runs
    if session.config.option.collectonly:
        return
    if any("swift" in getattr(item, "fixturenames", ()) for item in session.items):
        try:
            installed()
        except SwiftUnavailable as error:
            _install_failure = str(error)


@pytest.fixture(scope="session")
def swift_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftServer]:
    """The running server; ask for ``swift`` instead, which repairs what a test did to it."""
    if _install_failure:
        pytest.skip(f"NO SWIFT, NOTHING OF S3 WAS TESTED: {_install_failure}")
    server = SwiftServer(installed(), tmp_path_factory.mktemp("swift"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def swift(swift_session: SwiftServer) -> Iterator[SwiftServer]:
    """OpenStack Swift's S3 API; a test may pause or stop it, the next one finds it well."""
    yield swift_session
    swift_session.resume()
    if not swift_session.running:
        swift_session.start()


@pytest.fixture
def swift_bucket(swift: SwiftServer) -> str:
    """Name of a bucket of this test's own."""
    return swift.create_bucket(f"bucket-{next(_numbers)}")


@dataclass(frozen=True, slots=True)
class MotoServer:
    """moto's S3 on loopback: for what Swift lacks (HEAD's checksum). It believes any secret."""

    endpoint: str
    client: S3Client


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """A running moto server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="k",
        aws_secret_access_key="s",  # noqa: S106 - moto asks for none
        region_name="us-east-1",
    )
    yield MotoServer(f"{host}:{port}", client)
    server.stop()


@pytest.fixture
def moto_bucket(moto: MotoServer) -> str:
    """Name of a bucket of this test's own."""
    name = f"bucket-{next(_numbers)}"
    moto.client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def payload(tmp_path: Path) -> Callable[[bytes], Payload]:
    """``payload(data)`` is a clip with that content, in the test's own folder."""

    def made(data: bytes) -> Payload:
        path = tmp_path / f"clip-{next(_numbers)}"
        path.write_bytes(data)
        return Payload(path, len(data), hashlib.sha256(data).hexdigest(), "video/mp4")

    return made
