"""Ceph's gateway, started once a session, and a user that has only the rights it is given."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.ceph_server import CephServer, CephUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephServer]:
    """The running gateway."""
    server = None
    try:
        try:
            server = CephServer(tmp_path_factory.mktemp("ceph"))
            server.start()
        except CephUnavailable as error:
            pytest.skip(f"NO CEPH, NOTHING WAS TRIED ON RADOSGW: {error}")
        yield server
    finally:
        if server is not None:
            server.stop()


@pytest.fixture
def ceph_bucket(ceph: CephServer) -> str:
    """Name of a bucket of this test's own, the owner's."""
    name = f"bucket-{next(_numbers)}"
    ceph.plain_client().create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def ceph_user(ceph: CephServer) -> tuple[str, str, str]:
    """(name, key, secret) of a user without any right; ``ceph.allow`` gives it some."""
    return ("limited", *ceph.make_user("limited"))
