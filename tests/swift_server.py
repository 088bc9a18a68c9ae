"""OpenStack Swift with its S3 API, all in one, on loopback ports: a real server to judge against.

It is strict where stores differ: signatures, body hashes, checksums, ``If-None-Match``. Its HEAD
returns no checksum. ``KASM_RECD_TEST_SWIFT`` names a virtual environment that has it; otherwise it
is installed from PyPI, once, into ``.toolbox/swift``.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client

PACKAGES: Final = ("swift==2.38.3", "keystonemiddleware==13.0.1")
TOOLBOX: Final = Path(__file__).parent.parent / ".toolbox" / "swift"
STARTUP_S: Final = 60.0

SWIFT_CONF: Final = """
[swift-hash]
swift_hash_path_suffix = suffix
swift_hash_path_prefix = prefix
[storage-policy:0]
name = only
default = yes
"""
COMMON_CONF: Final = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
log_level = WARNING
log_udp_host = 127.0.0.1
"""
BACKEND_CONF: Final = """
devices = {devices}
mount_check = false
recon_cache_path = {cache}
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
PROXY_CONF: Final = """
[pipeline:main]
pipeline = catch_errors cache listing_formats s3api tempauth bulk copy slo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcache}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
"""


class SwiftUnavailable(Exception):
    """Swift can neither be found nor installed; says why."""


def installed() -> Path:
    """The virtual environment that has Swift; it is made when it is not there.

    Raises:
        SwiftUnavailable: it cannot be had on this machine.
    """
    named = os.environ.get("KASM_RECD_TEST_SWIFT")
    if named:
        venv = Path(named)
        if not (venv / "bin" / "swift-proxy-server").exists():
            raise SwiftUnavailable(f"KASM_RECD_TEST_SWIFT={named} has no swift-proxy-server")
        return venv
    TOOLBOX.parent.mkdir(exist_ok=True)
    with (TOOLBOX.parent / "swift.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (TOOLBOX / "complete").exists():
            _install(TOOLBOX)
    return TOOLBOX


def _install(venv: Path) -> None:
    print(f"installing {PACKAGES[0]} into {venv} ...", file=sys.stderr, flush=True)
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", venv], check=True, capture_output=True
        )
        subprocess.run(
            [venv / "bin" / "pip", "install", "--quiet", *PACKAGES],
            check=True,
            capture_output=True,
            timeout=900,
        )
    except (OSError, subprocess.SubprocessError) as error:
        tail = (getattr(error, "stderr", None) or b"").decode(errors="replace")[-400:]
        raise SwiftUnavailable(f"cannot install {PACKAGES[0]}: {error} {tail}") from error
    (venv / "complete").touch()


class SwiftServer:
    """Four Swift servers of one user; data and ports outlive :meth:`stop` and :meth:`start`."""

    key: Final = "test:tester"
    secret: Final = "testing"  # noqa: S105 - of a server that lives for one test run
    region: Final = "us-east-1"

    def __init__(self, venv: Path, folder: Path) -> None:
        self._bin = venv / "bin"
        self._folder = folder
        self._etc = folder / "etc"
        self._children: list[subprocess.Popen[bytes]] = []
        self._ports = dict(
            zip(
                ("proxy", "object", "container", "account", "memcache"), _free_ports(5), strict=True
            )
        )
        self._configure()
        self.endpoint = f"127.0.0.1:{self._ports['proxy']}"
        self.client = self.plain_client()

    def destination(self, bucket: str) -> str:
        """Where objects of ``bucket`` go, in the form that ``open_store`` takes."""
        return f"s3://{bucket}@{self.endpoint}"

    def create_bucket(self, name: str) -> str:
        """Make a bucket; gives its name back."""
        self.client.create_bucket(Bucket=name)
        return name

    def contents(self, bucket: str) -> dict[str, bytes]:
        """Every object of the bucket, by key, read with the plain client."""
        listed = self.client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {
            entry["Key"]: self.client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            for entry in listed
        }

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped since."""
        return bool(self._children)

    def start(self) -> None:
        """Start all four servers and wait until a request is answered."""
        environment = {"PATH": os.environ["PATH"], "SWIFT_DIR": str(self._etc), "LANG": "C.UTF-8"}
        for kind in ("account", "container", "object", "proxy"):
            program = [self._bin / f"swift-{kind}-server", self._etc / f"{kind}.conf"]
            with (self._folder / "log" / f"{kind}.log").open("ab") as log:
                child = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", *program],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                )
            self._children.append(child)
        wait_until(self._answers, STARTUP_S, "Swift to answer")

    def stop(self) -> None:
        """End the servers; connections are refused from now on."""
        for child in self._children:
            child.kill()
            child.send_signal(signal.SIGCONT)
        for child in self._children:
            child.wait()
        self._children.clear()

    def pause(self) -> None:
        """SIGSTOP: connections are still accepted by the kernel, but nothing answers."""
        for child in self._children:
            child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        for child in self._children:
            child.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        for child in self._children:
            if child.poll() is not None:
                logs = "".join(
                    path.read_text(errors="replace")[-2000:]
                    for path in sorted((self._folder / "log").iterdir())
                )
                raise SwiftUnavailable(f"a Swift server ended with {child.returncode}: {logs}")
        with contextlib.suppress(BotoCoreError, ClientError):
            self.client.list_buckets()
            return True
        return False

    def plain_client(self, *, read_timeout_s: float = 20, tries: int = 3) -> S3Client:
        """A boto3 client that knows nothing of the code under test, to judge by."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.endpoint}",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name=self.region,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": tries, "mode": "standard"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=5,
                read_timeout=read_timeout_s,
            ),
        )

    def _configure(self) -> None:
        for name in ("etc", "devices/d1", "log", "cache"):
            (self._folder / name).mkdir(parents=True)
        (self._etc / "swift.conf").write_text(SWIFT_CONF)
        for kind in ("account", "container", "object"):
            self._make_ring(kind)
            self._write_conf(kind, BACKEND_CONF)
        self._write_conf("proxy", PROXY_CONF)

    def _write_conf(self, kind: str, rest: str) -> None:
        text = (COMMON_CONF.rstrip() + "\n" + rest.lstrip()).format(
            kind=kind,
            port=self._ports[kind],
            user=getpass.getuser(),
            etc=self._etc,
            devices=self._folder / "devices",
            cache=self._folder / "cache",
            memcache=self._ports["memcache"],
        )
        (self._etc / f"{kind}.conf").write_text(text)

    def _make_ring(self, kind: str) -> None:
        builder = [self._bin / "swift-ring-builder", self._etc / f"{kind}.builder"]
        device = f"r1z1-127.0.0.1:{self._ports[kind]}/d1"
        for command in (["create", "4", "1", "0"], ["add", device, "1"], ["rebalance"]):
            done = subprocess.run([*builder, *command], check=False, capture_output=True)
            if done.returncode > 1:  # 1 is a warning: one device is no place for replicas
                raise SwiftUnavailable(f"swift-ring-builder {command}: {done.stderr.decode()}")


def wait_until(true: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait on a condition; raises TimeoutError that names it."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.05)


def _free_ports(count: int) -> Iterator[int]:
    """Ports that were free a moment ago, all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        yield from [each.getsockname()[1] for each in sockets]
