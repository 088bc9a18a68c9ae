"""Builds a boto3 client that knows only what it is told: no ``AWS_*`` variable, no ``~/.aws``.

The machine's proxy variables (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``) are honoured: they
are not about AWS, and behind a proxy nothing else would work.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES as VARIABLES
from botocore.configprovider import ConfigValueStore, ConstantProvider
from botocore.exceptions import BotoCoreError
from botocore.handlers import add_recursion_detection_header
from botocore.loaders import Loader

from kasm_recd.errors import StoreRefused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from kasm_recd.s3.dialect import Dialect
    from kasm_recd.storage import Endpoint

POOL: Final = 16  # connections; more upload slots than that wait for one


def build_client(dialect: Dialect, *, endpoint: Endpoint, key: str, secret: str) -> S3Client:
    """A thread-safe client that never retries; raises StoreRefused if it cannot be built."""
    if endpoint.ca_bundle and not os.access(endpoint.ca_bundle, os.R_OK):
        raise StoreRefused(
            f"{endpoint.ca_bundle} cannot be read",
            hint="Let storage_ca_bundle name a PEM file that the daemon's user can read.",
        )
    config = Config(
        s3={"addressing_style": dialect.addressing},
        signature_version="s3v4",
        request_checksum_calculation=dialect.checksum,
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=endpoint.connect_timeout_s,
        read_timeout=endpoint.read_timeout_s,
        max_pool_connections=POOL,
        tcp_keepalive=True,
        user_agent="kasm-recd",
    )
    session = boto3.Session(botocore_session=_isolated_session())
    try:
        return session.client(
            "s3",
            endpoint_url=dialect.url,
            region_name=dialect.region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            verify=endpoint.ca_bundle or True,
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise StoreRefused(
            f"no client for {dialect.url} in region '{dialect.region}': {error}",
            hint="Check session_recording_upload_location and storage_region.",
        ) from None  # the frames behind it hold the secret


def _isolated_session() -> botocore.session.Session:
    """A botocore session whose every variable has its default, wherever botocore would look."""
    values = {name: default for name, (_, _, default, _) in VARIABLES.items()}
    values["config_file"] = values["credentials_file"] = os.devnull
    values["ignore_configured_endpoint_urls"] = True
    providers = {name: ConstantProvider(value) for name, value in values.items()}
    session = botocore.session.Session()
    session.register_component("config_store", ConfigValueStore(providers))
    session.register_component(
        "data_loader",
        Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False),
    )
    session.unregister(
        "before-call",
        add_recursion_detection_header,  # type: ignore[arg-type] # it reads AWS_LAMBDA_*
    )
    return session
