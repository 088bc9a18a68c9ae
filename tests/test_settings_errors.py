from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kasm_recd import settings
from kasm_recd.errors import Problem, SettingsInvalid

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kasm-recd.toml"


def problems(file: Path, text: str, environ: dict[str, str] | None = None) -> list[Problem]:
    file.write_text(text)
    with pytest.raises(SettingsInvalid) as caught:
        settings.load(file, environ=environ or {}, credentials_dir=None)
    assert caught.value.hint
    for problem in caught.value.problems:
        assert str(problem) in str(caught.value)
    return list(caught.value.problems)


def test_an_error_names_field_value_source_reason_and_way_out(file: Path) -> None:
    (problem,) = problems(file, "session_recording_framerate = 0")
    assert problem.field == "session_recording_framerate"
    assert problem.value == "0"
    assert problem.source == str(file)
    assert "greater than or equal to 1" in problem.reason
    assert "1 to 60" in problem.way_out


def test_every_wrong_setting_is_listed_at_once(file: Path) -> None:
    found = problems(
        file,
        "session_recording_framerate = 0\n"
        'encoder = "best"\n'
        'storage_sse_kms_key_id = "abc"\n'
        "typo = 1\n",
        {"KASM_RECD_MIN_FREE": "12 apples"},
    )
    assert {problem.field for problem in found} == {
        "session_recording_framerate",
        "encoder",
        "storage_sse_kms_key_id",
        "typo",
        "min_free",
    }
    by_field = {problem.field: problem for problem in found}
    assert by_field["min_free"].source == "environment, KASM_RECD_MIN_FREE"
    assert by_field["min_free"].value == "12 apples"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("session_recording_framerate = true", "session_recording_framerate"),
        ("session_recording_framerate = 2.5", "session_recording_framerate"),
        ("session_recording_framerate = 61", "session_recording_framerate"),
        ("session_recording_bitrate = 0", "session_recording_bitrate"),
        ("session_recording_bitrate = nan", "session_recording_bitrate"),
        ("session_recording_res_width = 721", "session_recording_res_width"),
        ("session_recording_res_height = 481", "session_recording_res_height"),
        ("session_recording_res_height = 0", "session_recording_res_height"),
        ("session_recording_retention_period = -1", "session_recording_retention_period"),
        ("session_recording_queue_length = 0", "session_recording_queue_length"),
        ("session_recording_guac_disk_limit = 90", "session_recording_guac_disk_limit"),
        ("session_recording_guac_disk_limit = inf", "session_recording_guac_disk_limit"),
        ('recording_dir = "recordings"', "recording_dir"),
        ('recording_dir = "/srv/../etc"', "recording_dir"),
        ('segment_size = "1kB"', "segment_size"),
        ('scan_interval = "0s"', "scan_interval"),
        ('encode_memory = "1MB"', "encode_memory"),
        ("encode_attempts = 0", "encode_attempts"),
        ('storage_scheme = "ftp"', "storage_scheme"),
        ('conditional_put = "maybe"', "conditional_put"),
        ('log_level = "chatty"', "log_level"),
        ('storage_ca_bundle = "ca.pem"', "storage_ca_bundle"),
        ('spool_dir = "/var/lib/guacd/recordings/spool"', "spool_dir"),
        ('recording_dir = "/var/lib/kasm-recd/in"', "spool_dir"),
        ('storage_sse_kms_key_id = "k"\nstorage_sse = "AES256"', "storage_sse_kms_key_id"),
        (
            'session_recording_upload_location = "file:///var/lib/guacd/recordings/{kasm_id}.mp4"',
            "session_recording_upload_location",
        ),
        (
            'session_recording_upload_location = "s3://clips/{nonsense}.mp4"',
            "session_recording_upload_location",
        ),
        (
            'session_recording_upload_location = "ftp://clips/{kasm_id}.mp4"',
            "session_recording_upload_location",
        ),
    ],
)
def test_a_wrong_value_is_refused_by_name(file: Path, line: str, field: str) -> None:
    (problem,) = problems(file, line)
    assert problem.field == field
    assert problem.reason
    assert problem.way_out


@pytest.mark.parametrize("given", ["key", "secret"])
def test_an_s3_location_needs_both_secrets(file: Path, given: str) -> None:
    (problem,) = problems(
        file,
        'session_recording_upload_location = "s3://clips/{kasm_id}.mp4"\n'
        f'recording_object_storage_{given} = "AKIAEXAMPLE"\n',
    )
    missing = {"key": "secret", "secret": "key"}[given]
    assert problem.field == f"recording_object_storage_{missing}"
    assert problem.value == "(not set)"


def test_settings_that_hang_on_a_wrong_one_are_not_blamed(file: Path) -> None:
    (problem,) = problems(file, 'recording_dir = "recordings"\nspool_dir = "/var/lib/guacd"')
    assert problem.field == "recording_dir"


def test_a_misspelt_name_is_answered_with_the_right_one(file: Path) -> None:
    (problem,) = problems(file, "session_recording_bit_rate = 8")
    assert problem.way_out == "Did you mean session_recording_bitrate?"


def test_a_misspelt_variable_is_answered_with_the_right_name(file: Path) -> None:
    (problem,) = problems(file, "", {"KASM_RECD_SEGMENTSIZE": "20MB"})
    assert problem.source == "environment, KASM_RECD_SEGMENTSIZE"
    assert problem.way_out == "Did you mean segment_size?"


def test_a_name_like_no_other_is_to_be_taken_out(file: Path) -> None:
    (problem,) = problems(file, "[qqqq]\na = 1")
    assert "no such setting" in problem.way_out


def test_a_long_value_is_cut_short(file: Path) -> None:
    (problem,) = problems(file, f'encoder = "{"x" * 5000}"')
    assert len(problem.value) < 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"a = = 1", "line 1"), (b"\xff\xfe", "UTF-8"), (b"a = 1\na = 2\n", "line 2")],
)
def test_a_file_that_is_no_toml_is_named(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsInvalid, match=reason) as caught:
        settings.load(file, environ={}, credentials_dir=None)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(SettingsInvalid, match="No such file"):
        settings.load(file, environ={}, credentials_dir=None)


def test_a_credential_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "recording_object_storage_secret").mkdir()
    with pytest.raises(SettingsInvalid, match="recording_object_storage_secret"):
        settings.load(None, environ={}, credentials_dir=tmp_path)
