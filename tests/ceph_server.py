"""A one-node Ceph with radosgw, all in memory: S3 with CORS, object lock, lifecycle and policies.

It is the store that Swift is not: it answers preflights, keeps locks, and has users of its own with
IAM policies, so that rights can be tried. It passes over wrong checksums. Its programs are Debian's
(radosgw, ceph-mon, ceph-osd, ceph-mgr); nothing is installed here.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from tests.swift_server import _free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

PROGRAMS: Final = ("radosgw", "ceph-mon", "ceph-osd", "ceph", "radosgw-admin", "monmaptool")
STARTUP_S: Final = 90.0
CONF: Final = """
[global]
fsid = {fsid}
mon host = 127.0.0.1:{mon}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail warn = 1
mon data avail crit = 1
mon max pg per osd = 1000
ms bind ipv6 = false
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
log file = {folder}/log/$name.log
mon cluster log file = {folder}/log/cluster.log
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd memory target = 939524096
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{rgw}
rgw dns name = localhost
rgw enable apis = s3, iam
rgw enable usage log = false
rgw thread pool size = 32
debug rgw = 1
"""


class CephUnavailable(Exception):
    """Ceph is not on this machine, or does not start; says why."""


class CephServer:
    """One monitor, one OSD in memory, one gateway; ``key`` and ``secret`` own every bucket."""

    key: Final = "AKIAOWNER"
    secret: Final = "secret-of-the-owner"  # noqa: S105 - of a server that lives for one test run
    region: Final = "us-east-1"

    def __init__(self, folder: Path) -> None:
        if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
            raise CephUnavailable(
                f"{', '.join(missing)} missing: apt-get install radosgw ceph-mon ceph-osd"
            )
        self._folder = folder
        self._children: list[subprocess.Popen[bytes]] = []
        self._mon, self._rgw = _free_ports(2)
        self.endpoint = f"127.0.0.1:{self._rgw}"

    def start(self) -> None:
        """Starts all three and waits for the gateway; raises CephUnavailable."""
        for name in ("mon", "osd", "run", "log"):
            (self._folder / name).mkdir()
        fsid = str(uuid.uuid4())
        conf = CONF.format(fsid=fsid, mon=self._mon, rgw=self._rgw, folder=self._folder)
        (self._folder / "ceph.conf").write_text(conf)
        self._make_keys()
        monmap = str(self._folder / "monmap")
        address = f"127.0.0.1:{self._mon}"
        self._tool("monmaptool", "--create", "--add", "a", address, "--fsid", fsid, monmap)
        self._tool("ceph-mon", "-i", "a", "--mkfs", "--keyring", self._keyring, "--monmap", monmap)
        self._serve("ceph-mon", "-i", "a", "-f")
        osd = str(uuid.uuid4())
        self._tool("ceph", "osd", "new", osd)
        self._tool("ceph", "auth", "import", "-i", self._keyring)
        self._tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._serve("ceph-osd", "-i", "0", "-f")
        self._serve("radosgw", "-n", "client.rgw", "-f")
        self._wait()
        self.make_user("owner", self.key, self.secret)

    def make_user(self, name: str, key: str = "", secret: str = "") -> tuple[str, str]:
        """A user without any right to others' buckets; (key, secret)."""
        key, secret = key or f"AKIA{name.upper()}", secret or secrets.token_hex(16)
        self._tool(
            *("radosgw-admin", "user", "create", "--uid", name, "--display-name", name),
            *("--access-key", key, "--secret-key", secret, "--caps", "user-policy=*"),
        )
        return key, secret

    def allow(self, user: str, policy: dict[str, Any]) -> None:
        """Gives ``user`` the rights of an IAM policy, and no more."""
        iam = boto3.client(
            "iam",
            endpoint_url=f"http://{self.endpoint}",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name=self.region,
        )
        iam.put_user_policy(UserName=user, PolicyName="printed", PolicyDocument=json.dumps(policy))

    def destination(self, bucket: str) -> str:
        """Where objects of ``bucket`` go, in the form that ``open_store`` takes."""
        return f"s3://{bucket}@{self.endpoint}"

    def plain_client(self, key: str = "", secret: str = "") -> S3Client:
        """A boto3 client that knows nothing of the code under test; the owner's by default."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.endpoint}",
            aws_access_key_id=key or self.key,
            aws_secret_access_key=secret or self.secret,
            region_name=self.region,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def stop(self) -> None:
        """Kills all three."""
        for child in self._children:
            child.send_signal(signal.SIGKILL)
        for child in self._children:
            child.wait()
        self._children.clear()

    @property
    def _keyring(self) -> str:
        return str(self._folder / "keyring")

    def _make_keys(self) -> None:
        every = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
        self._tool("ceph-authtool", "--create-keyring", self._keyring)
        for name in ("mon.", "client.admin", "client.rgw", "osd.0"):
            self._tool("ceph-authtool", self._keyring, "--gen-key", "-n", name, *every)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "CEPH_CONF": str(self._folder / "ceph.conf"),
            "LANG": "C.UTF-8",
        }

    def _tool(self, *command: str) -> None:
        try:
            done = subprocess.run(
                command,
                cwd=self._folder,
                env=self._environment(),
                capture_output=True,
                timeout=STARTUP_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CephUnavailable(f"{command[0]} does not end") from error
        if done.returncode:
            raise CephUnavailable(f"{' '.join(command[:3])}: {done.stderr.decode()[-400:]}")

    def _serve(self, *command: str) -> None:
        with (self._folder / "log" / f"{command[0]}.out").open("ab") as log:
            self._children.append(
                subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", *command],
                    cwd=self._folder,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + STARTUP_S
        while True:
            for child in self._children:
                if child.poll() is not None:
                    raise CephUnavailable(f"{child.args!r} ended with {child.returncode}")
            try:
                urllib.request.urlopen(f"http://{self.endpoint}", timeout=5).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise CephUnavailable(f"no answer within {STARTUP_S:g} s") from None
                time.sleep(0.1)
            else:
                return
