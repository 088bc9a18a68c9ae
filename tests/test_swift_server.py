"""The test server itself can be paused and stopped, and keeps what it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

if TYPE_CHECKING:
    from tests.swift_server import SwiftServer


def test_a_bucket_outlives_stop_and_start(swift: SwiftServer, swift_bucket: str) -> None:
    swift.client.put_object(Bucket=swift_bucket, Key="a/b", Body=b"kept")
    swift.stop()
    with pytest.raises(EndpointConnectionError):
        swift.client.list_buckets()
    swift.start()
    assert swift.contents(swift_bucket) == {"a/b": b"kept"}


def test_a_paused_server_answers_after_it_is_resumed(swift: SwiftServer, swift_bucket: str) -> None:
    impatient = swift.plain_client(read_timeout_s=0.3, tries=1)
    swift.pause()
    with pytest.raises((ReadTimeoutError, ConnectTimeoutError)):
        impatient.head_bucket(Bucket=swift_bucket)
    swift.resume()
    swift.client.head_bucket(Bucket=swift_bucket)
