"""S3 as a store: how each endpoint is spoken to, what its answers mean. boto3's only home."""

from __future__ import annotations

from kasm_recd.s3.store import S3Store

__all__ = ["S3Store"]
