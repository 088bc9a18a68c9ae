"""Object stores for tests: OpenStack Swift, started once a session, and a bucket for each test."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.swift_server import SwiftServer, SwiftUnavailable, installed

if TYPE_CHECKING:
    from collections.abc import Iterator

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
