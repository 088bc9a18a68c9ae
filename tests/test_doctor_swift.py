"""The doctor on Swift: what it lacks, and how a set-up is mended that does not reach it."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import cli, policy
from kasm_recd.doctor.bucket import bucket
from kasm_recd.doctor.cors import cors
from kasm_recd.doctor.finding import Severity
from kasm_recd.errors import OperatorError
from kasm_recd.s3.browsing import Preflight
from tests.doctoring import at, bad, environ, settings_of
from tests.fixtures_daemon import swift_settings

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.doctor.finding import Finding
    from tests.swift_server import SwiftServer


def looked_at(swift: SwiftServer, name: str, **changes: object) -> list[Finding]:
    return list(bucket(settings_of(swift_settings(swift, name) | changes)))


def test_swifts_gaps_are_named_and_nothing_is_left(swift: SwiftServer, swift_bucket: str) -> None:
    found = looked_at(swift, swift_bucket)

    assert bad(found) == {}
    assert {"bucket.write", "bucket.conditional_write", "bucket.checksums", "bucket.public"} <= set(
        at(Severity.OK, found)
    )
    assert {"bucket.lock"} <= set(at(Severity.NOTE, found))
    assert swift.contents(swift_bucket) == {}


@pytest.mark.parametrize(
    ("changes", "mend"),
    [
        ({"recording_object_storage_secret": "wrong"}, "recording_object_storage_secret"),
        ({"recording_object_storage_key": "test:nobody"}, "recording_object_storage_"),
        ({"storage_scheme": "https"}, 'storage_scheme = "http"'),
    ],
)
def test_a_wrong_setting_is_named_with_the_way_out(
    swift: SwiftServer, swift_bucket: str, changes: dict[str, object], mend: str
) -> None:
    (found,) = bad(looked_at(swift, swift_bucket, **changes)).values()

    assert found.severity is Severity.ERROR
    assert mend in found.mend, found


def test_a_store_that_has_no_name_for_every_bucket_is_spoken_to_by_path(
    swift: SwiftServer, swift_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        if host != "s3.test":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return really("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    port = swift.endpoint.rpartition(":")[2]
    settings = {
        "session_recording_upload_location": f"s3://{swift_bucket}@s3.test:{port}/{{kasm_id}}.mp4",
        "storage_addressing_style": "virtual",
    }
    (found,) = bad(looked_at(swift, swift_bucket, **settings)).values()
    assert 'storage_addressing_style = "path"' in found.mend, found


def test_a_bucket_or_a_store_that_is_not_there(swift: SwiftServer, swift_bucket: str) -> None:
    (missing,) = bad(looked_at(swift, "no-such-bucket")).values()
    assert "Create the bucket" in missing.mend, missing
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # and does not listen
        nobody = f"127.0.0.1:{holder.getsockname()[1]}"
        location = f"s3://{swift_bucket}@{nobody}/{{kasm_id}}.mp4"
        (silent,) = bad(
            looked_at(swift, swift_bucket, session_recording_upload_location=location)
        ).values()
    assert "Check that this machine reaches the endpoint" in silent.mend, silent


def test_a_clock_that_is_off_by_the_stores_word(
    swift: SwiftServer, swift_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kasm_recd.doctor.bucket.time", lambda: time.time() + 30)
    (found,) = bad(looked_at(swift, swift_bucket)).values()
    assert (found.check, found.severity) == ("clock.store", Severity.WARNING)


@pytest.mark.parametrize(
    ("status", "origin", "methods", "headers", "allowed"),
    [
        (200, "https://a.example", {"GET"}, {"range"}, True),
        (204, "*", {"GET", "HEAD"}, {"*"}, True),
        (403, "*", {"GET"}, {"range"}, False),
        (200, "", {"GET"}, {"range"}, False),
        (200, "https://b.example", {"GET"}, {"range"}, False),
        (200, "*", {"PUT"}, {"range"}, False),
        (200, "*", {"GET"}, set(), False),
    ],
)
def test_a_preflight_is_read_as_a_browser_reads_it(
    status: int, origin: str, methods: set[str], headers: set[str], *, allowed: bool
) -> None:
    answer = Preflight(status, origin, frozenset(methods), frozenset(headers))
    assert answer.allows("https://a.example") is allowed


def test_a_store_without_cors_is_told_to_have_none(swift: SwiftServer, swift_bucket: str) -> None:
    settings = settings_of(swift_settings(swift, swift_bucket))
    (found,) = cors(settings, "https://kasm.example.com", fix=True)
    assert found.severity is Severity.ERROR
    assert "proxy" in found.mend


def test_the_command_prints_json_and_ends_with_the_severity(
    swift: SwiftServer,
    swift_bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings: dict[str, object] = {
        **swift_settings(swift, swift_bucket),
        "recording_dir": tmp_path / "rec",
        "spool_dir": tmp_path / "spool",
        "encoder": "native",
    }
    for name, value in environ(settings).items():
        monkeypatch.setenv(name, value)
    users = ["--guacd-user", "games", "--daemon-user", "man"]
    command = ["doctor", "--config", "", "--socket", str(tmp_path / "s"), *users]

    assert cli.main([*command, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["worst"] == "error"
    by_check = {found["check"]: found for found in told["findings"]}
    assert by_check["folder.recording_dir"]["severity"] == "error"
    assert by_check["settings.warning"]["severity"] == "warning"
    assert swift.secret not in json.dumps(told)
    assert cli.main([*command, "--cors", "https://kasm.example.com"]) == 2
    assert "-> " in capsys.readouterr().out


def test_the_policy_names_what_the_location_needs_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, object] = {
        "session_recording_upload_location": "s3://clips@s3.eu-west-1.amazonaws.com/k/{username}/x-{kasm_id}",
        "recording_object_storage_key": "AKIA",
        "recording_object_storage_secret": "a-secret",
        "storage_sse": "aws:kms",
        "storage_sse_kms_key_id": "arn:aws:kms:eu-west-1:1:key/2",
    }
    for name, value in environ(settings).items():
        monkeypatch.setenv(name, value)
    assert cli.main(["policy", "--config", "", "--only", "iam"]) == 0
    told = json.loads(capsys.readouterr().out)
    granted = {
        (a, r) for each in told["Statement"] for a in each["Action"] for r in each["Resource"]
    }
    assert granted == {
        ("s3:PutObject", "arn:aws:s3:::clips/k/*"),
        ("s3:GetObject", "arn:aws:s3:::clips/k/*"),
        ("s3:ListBucket", "arn:aws:s3:::clips"),
        ("s3:DeleteObject", "arn:aws:s3:::clips/k/*/.kasm-recd-probe-*"),
        ("kms:GenerateDataKey", "arn:aws:kms:eu-west-1:1:key/2"),
        ("kms:Decrypt", "arn:aws:kms:eu-west-1:1:key/2"),
    }
    assert cli.main(["policy", "--config", "", "--origin", "https://a.example"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert both["iam"] == told
    assert both["cors"]["CORSRules"][0]["AllowedOrigins"] == ["https://a.example"]
    folder = settings_of({"session_recording_upload_location": "file:///clips/{kasm_id}.mp4"})
    with pytest.raises(OperatorError, match="nothing to grant"):
        policy.iam_policy(folder)
