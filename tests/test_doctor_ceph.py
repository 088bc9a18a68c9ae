"""The doctor, the printed policy and the daemon that has only that, on Ceph's gateway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from kasm_recd import policy
from kasm_recd.doctor.bucket import bucket
from kasm_recd.doctor.cors import STRANGER, cors, rule_for
from kasm_recd.doctor.finding import Finding, Severity
from tests.doctoring import at, bad, settings_of
from tests.fixtures_daemon import wait_until
from tests.values import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.settings import Settings
    from tests.ceph_server import CephServer
    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter

ORIGIN = "https://kasm.example.com"


def options(ceph: CephServer, name: str, key: str = "", secret: str = "") -> dict[str, object]:
    return {
        "session_recording_upload_location": (
            f"{ceph.destination(name)}/clips/{{username}}/{{kasm_id}}.mp4"
        ),
        "storage_scheme": "http",
        "recording_object_storage_key": key or ceph.key,
        "recording_object_storage_secret": secret or ceph.secret,
        "upload_connect_timeout": "5s",
        "upload_read_timeout": "20s",
    }


@pytest.fixture
def limited(ceph: CephServer, ceph_bucket: str, ceph_user: tuple[str, str, str]) -> Settings:
    """Settings with the limited user's key; it may do what the policy for them says."""
    _, key, secret = ceph_user
    settings = settings_of(options(ceph, ceph_bucket, key, secret))
    ceph.allow("limited", policy.iam_policy(settings))
    return settings


def test_the_printed_policy_is_all_that_the_doctor_asks_for(limited: Settings) -> None:
    found = list(bucket(limited))

    assert bad(found) == {}
    fine = at(Severity.OK, found)
    assert {"bucket.write", "bucket.conditional_write", "bucket.list", "bucket.delete"} <= set(fine)
    assert {"bucket.reach", "bucket.public", "clock.store"} <= set(fine)
    assert "bucket.delete_clips" not in at(Severity.NOTE, found)
    assert "GetLifecycleConfiguration" in at(Severity.NOTE, found)["bucket.lifecycle"].mend


def test_a_daemon_with_the_printed_policy_alone_stores_clips_and_cannot_delete_them(
    limited: Settings,
    ceph: CephServer,
    ceph_bucket: str,
    ceph_user: tuple[str, str, str],
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
) -> None:
    _, key, secret = ceph_user
    daemon = make_daemon(**options(ceph, ceph_bucket, key, secret)).start()
    _, answer = daemon.admit("k-1", username="ann")
    writer = guacd_writer(
        recordings("ssh-idle.guac"), daemon.recordings / answer["recording_name"], "--hold"
    )
    writer.wait_written()
    writer.close()
    wait_until(lambda: daemon.events("clip.stored") or daemon.events("upload.failed"), "an upload")
    assert not daemon.events("upload.failed")
    wait_until(daemon.idle, "nothing is at work")
    assert daemon.events("storage.conditional_put")[0]["heeded"] is True
    assert not daemon.events("storage.probe_left")

    suffixes = {*(SUFFIXES[role] for role in SUFFIXES if role != "raw"), ".json"}
    stored = {f"clips/ann/k-1.0000{suffix}" for suffix in suffixes}
    listed = ceph.plain_client().list_objects_v2(Bucket=ceph_bucket)["Contents"]
    assert {each["Key"] for each in listed} == stored, "nothing is left of the trial"
    thief = ceph.plain_client(key, secret)
    for name in stored:
        with pytest.raises(ClientError, match="AccessDenied"):
            thief.delete_object(Bucket=ceph_bucket, Key=name)
    for elsewhere in ("other/k-1.mp4", "clips"):
        with pytest.raises(ClientError, match="AccessDenied"):
            thief.put_object(Bucket=ceph_bucket, Key=elsewhere, Body=b"x")
    assert limited.location.target.bucket == ceph_bucket


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("WriteAndProveClips", "bucket.reach"),
        ("TellWhatIsMissing", "bucket"),
        ("ThrowProbesAway", "bucket.delete"),
    ],
)
def test_a_right_that_is_missing_is_named(
    limited: Settings, ceph: CephServer, statement: str, check: str
) -> None:
    printed = policy.iam_policy(limited)
    printed["Statement"] = [each for each in printed["Statement"] if each["Sid"] != statement]
    ceph.allow("limited", printed)

    found = bad(list(bucket(limited)), check)

    assert found
    assert all("kasm-recd policy" in each.mend for each in found.values()), found


def owned(ceph: CephServer, name: str) -> list[Finding]:
    return list(bucket(settings_of(options(ceph, name))))


def test_a_lifecycle_that_deletes_too_early_is_an_error(ceph: CephServer, ceph_bucket: str) -> None:
    def expire(prefix: str, days: int) -> dict[str, Finding]:
        rule: Any = {
            "ID": "tidy",
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "Expiration": {"Days": days},
        }
        ceph.plain_client().put_bucket_lifecycle_configuration(
            Bucket=ceph_bucket, LifecycleConfiguration={"Rules": [rule]}
        )
        found = owned(ceph, ceph_bucket)
        return {each.check: each for each in found if each.check == "bucket.lifecycle"}

    early = expire("", 7)["bucket.lifecycle"]
    assert early.severity is Severity.ERROR
    assert "'tidy'" in early.message
    assert "30 days" in early.mend
    assert expire("clips/", 90)["bucket.lifecycle"].severity is Severity.NOTE
    assert expire("logs/", 7)["bucket.lifecycle"].severity is Severity.OK


def test_what_an_owner_may_do_beyond_the_policy_is_told(ceph: CephServer, ceph_bucket: str) -> None:
    found = owned(ceph, ceph_bucket)

    assert bad(found) == {}
    assert "bucket.delete_clips" in at(Severity.NOTE, found)
    assert "bucket.lock" in at(Severity.NOTE, found)
    assert ceph.plain_client().list_objects_v2(Bucket=ceph_bucket)["KeyCount"] == 0


def test_a_bucket_that_locks_objects_is_seen(ceph: CephServer) -> None:
    client = ceph.plain_client()
    client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    client.put_object_lock_configuration(
        Bucket="locked",
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    found = owned(ceph, "locked")

    assert bad(found) == {}
    assert "GOVERNANCE, 1 days" in at(Severity.OK, found)["bucket.lock"].message


def test_a_bucket_that_anybody_can_read_is_an_error(ceph: CephServer, ceph_bucket: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{ceph_bucket}/*",
    }
    ceph.plain_client().put_bucket_policy(
        Bucket=ceph_bucket,
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    assert set(bad(owned(ceph, ceph_bucket))) == {"bucket.public"}


def test_cors_is_judged_by_a_real_preflight_and_set_by_fix(
    ceph: CephServer, ceph_bucket: str
) -> None:
    settings = settings_of(options(ceph, ceph_bucket))
    client = ceph.plain_client()
    others: Any = {"AllowedOrigins": ["https://else.example"], "AllowedMethods": ["PUT"]}
    client.put_bucket_cors(Bucket=ceph_bucket, CORSConfiguration={"CORSRules": [others]})

    (refused,) = cors(settings, ORIGIN, fix=False)
    assert (refused.severity, refused.check) == (Severity.ERROR, "bucket.cors")
    assert f"--cors {ORIGIN} --fix" in refused.mend
    (mended,) = cors(settings, ORIGIN, fix=True)
    assert mended.severity is Severity.OK
    (still,) = cors(settings, ORIGIN, fix=False)
    assert still.severity is Severity.OK
    rules = client.get_bucket_cors(Bucket=ceph_bucket)["CORSRules"]
    assert [rule["AllowedOrigins"] for rule in rules] == [[ORIGIN], ["https://else.example"]]

    anybody: Any = rule_for("*")
    client.put_bucket_cors(Bucket=ceph_bucket, CORSConfiguration={"CORSRules": [anybody]})
    assert set(bad(list(cors(settings, ORIGIN, fix=False)))) == {"bucket.cors.anybody"}
    assert STRANGER.endswith(".invalid")


def test_a_key_that_may_not_set_cors_is_told_who_must(limited: Settings) -> None:
    (refused,) = cors(limited, ORIGIN, fix=True)
    assert (refused.severity, refused.check) == (Severity.ERROR, "bucket.cors.fix")
    assert "s3:PutBucketCORS" in refused.mend
