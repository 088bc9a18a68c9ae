"""The same view of each kind of store, for the contract suite: what it holds, behind its back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasm_recd.storage import Endpoint, open_store

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    import pytest
    from mypy_boto3_s3 import S3Client

    from kasm_recd.storage import Payload, Store
    from tests.fixtures_storage import MotoServer
    from tests.swift_server import SwiftServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One place to store objects in, and how to look at it without the code under test."""

    destination: str
    contents: Callable[[], dict[str, bytes]]
    plant: Callable[[str, bytes], object]
    content_type: Callable[[str], str | None]
    proof: Callable[[Payload], str]
    options: dict[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ("", "")

    def open(self, stop: threading.Event, **options: Any) -> Store:
        """A store of the code under test."""
        key, secret = self.secrets
        endpoint = Endpoint(**{**self.options, **options})
        return open_store(self.destination, endpoint=endpoint, key=key, secret=secret, stop=stop)


def file_backend(request: pytest.FixtureRequest) -> Backend:
    folder = Path(request.getfixturevalue("tmp_path")) / "uploads"

    def plant(key: str, data: bytes) -> None:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)

    return Backend(
        destination=f"file://{folder}",
        contents=lambda: {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        },
        plant=plant,
        content_type=lambda _: None,
        proof=lambda clip: f"file:{clip.sha256}",
        secrets=("unused-key", "unused-secret"),
    )


def swift_backend(request: pytest.FixtureRequest) -> Backend:
    swift: SwiftServer = request.getfixturevalue("swift")
    bucket: str = request.getfixturevalue("swift_bucket")
    return Backend(
        **_looked_at_with(swift.client, bucket),
        destination=swift.destination(bucket),
        proof=lambda clip: f"etag:{md5(clip.path.read_bytes())}",
        options={"scheme": "http"},
        secrets=(swift.key, swift.secret),
    )


def moto_backend(request: pytest.FixtureRequest) -> Backend:
    moto: MotoServer = request.getfixturevalue("moto")
    bucket: str = request.getfixturevalue("moto_bucket")
    return Backend(
        **_looked_at_with(moto.client, bucket),
        destination=f"s3://{bucket}@{moto.endpoint}",
        proof=lambda clip: f"checksum:{clip.sha256}",
        options={"scheme": "http", "checksum_calculation": "when_supported"},
        secrets=("moto-key", "moto-secret"),
    )


def contents_of(client: S3Client, bucket: str) -> dict[str, bytes]:
    """Every object of a bucket, by key."""
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {
        entry["Key"]: client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        for entry in listed
    }


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _looked_at_with(client: S3Client, bucket: str) -> dict[str, Any]:
    return {
        "contents": lambda: contents_of(client, bucket),
        "plant": lambda key, data: client.put_object(Bucket=bucket, Key=key, Body=data),
        "content_type": lambda key: client.head_object(Bucket=bucket, Key=key)["ContentType"],
    }
