from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from kasm_recd import settings
from kasm_recd.errors import SettingsInvalid
from kasm_recd.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def load(
    text: str = "", *, environ: dict[str, str] | None = None, tmp_path: Path | None = None
) -> Settings:
    path = None
    if tmp_path is not None:
        path = tmp_path / "kasm-recd.toml"
        path.write_text(text)
    return settings.load(path, environ=environ or {}, credentials_dir=None)


def test_kasms_own_settings_have_kasms_names_and_defaults() -> None:
    values = load()
    assert values.session_recording_upload_location.startswith("file:///")
    assert values.session_recording_bitrate == 8
    assert values.bitrate == 8_000_000
    assert values.session_recording_framerate == 2
    assert (values.session_recording_res_width, values.session_recording_res_height) == (720, 480)
    assert values.session_recording_retention_period == 24
    assert values.retention == 24 * 3600
    assert values.session_recording_queue_length == 2
    assert values.session_recording_guac_disk_limit == 0.9
    assert values.recording_object_storage_key.get_secret_value() == ""
    assert values.recording_object_storage_secret.get_secret_value() == ""


def test_sizes_and_durations_are_plain_numbers_once_loaded(tmp_path: Path) -> None:
    values = load('segment_size = "20MB"\nfinish_quiet = "2m"\nmin_free = 7', tmp_path=tmp_path)
    assert (values.segment_size, values.finish_quiet, values.min_free) == (20_000_000, 120.0, 7)


@pytest.mark.parametrize(("text", "size"), [("0", 0), ('"8MB"', 8 * 10**6), ('"10GB"', 10**10)])
def test_the_ballast_is_none_or_of_some_size(text: str, size: int, tmp_path: Path) -> None:
    assert load(f"ballast_size = {text}", tmp_path=tmp_path).ballast_size == size


@pytest.mark.parametrize("text", ['"7MB"', '"11GB"', "-1"])
def test_a_ballast_that_holds_no_steps_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="ballast_size"):
        load(f"ballast_size = {text}", tmp_path=tmp_path)


def test_the_environment_goes_before_the_credentials_and_they_before_the_file(
    tmp_path: Path,
) -> None:
    file = tmp_path / "kasm-recd.toml"
    file.write_text(
        'recording_object_storage_key = "file-key"\n'
        'recording_object_storage_secret = "file-secret"\n'
        "session_recording_framerate = 5\n"
        "upload_slots = 7\n"
    )
    (tmp_path / "recording_object_storage_key").write_text("credential-key\n")
    (tmp_path / "recording_object_storage_secret").write_text("credential-secret\n")
    values = settings.load(
        file,
        environ={
            "KASM_RECD_RECORDING_OBJECT_STORAGE_KEY": "environment-key",
            "KASM_RECD_SESSION_RECORDING_FRAMERATE": "9",
        },
        credentials_dir=tmp_path,
    )
    assert values.recording_object_storage_key.get_secret_value() == "environment-key"
    assert values.recording_object_storage_secret.get_secret_value() == "credential-secret"
    assert values.session_recording_framerate == 9
    assert values.upload_slots == 7


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    values = load("upload_slots = 7", environ={"KASM_RECD_UPLOAD_SLOTS": ""}, tmp_path=tmp_path)
    assert values.upload_slots == 7


def test_nothing_but_what_is_handed_in_is_consulted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("KASM_RECD_UPLOAD_SLOTS=9\nUPLOAD_SLOTS=9\n")
    monkeypatch.setenv("KASM_RECD_UPLOAD_SLOTS", "9")
    monkeypatch.setenv("UPLOAD_SLOTS", "9")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-ours")
    assert load() == Settings()
    assert load().upload_slots == 2
    assert load().secrets() == ()


def test_the_command_lines_own_variables_are_no_settings() -> None:
    environ = {"KASM_RECD_SOCKET": "/run/x.sock", "KASM_RECD_CONFIG": "/etc/x.toml"}
    assert load(environ=environ) == Settings()


def test_variables_that_kubernetes_makes_for_a_service_are_passed_over() -> None:
    environ = {
        "KASM_RECD_SERVICE_HOST": "10.0.0.1",
        "KASM_RECD_PORT_80_TCP": "tcp://10.0.0.1:80",
        "KASM_RECD_PORT": "tcp://10.0.0.1:80",
    }
    assert load(environ=environ) == Settings()


def test_settings_cannot_be_changed() -> None:
    values = load()
    with pytest.raises(ValidationError, match="frozen"):
        values.min_free = 0


def test_equal_settings_compare_equal_so_that_a_reload_can_be_told_apart(tmp_path: Path) -> None:
    assert load("upload_slots = 3", tmp_path=tmp_path) == load(
        environ={"KASM_RECD_UPLOAD_SLOTS": "3"}
    )
    assert load() != load(environ={"KASM_RECD_UPLOAD_SLOTS": "3"})


def test_an_s3_location_with_both_secrets_is_accepted(tmp_path: Path) -> None:
    values = load(
        'session_recording_upload_location = "s3://clips@s3.example.org:9000/{kasm_id}.mp4"\n'
        'recording_object_storage_key = "AKIAEXAMPLE"\n'
        'recording_object_storage_secret = "wJalrXUtnFEMI"\n'
        'storage_scheme = "http"\n',
        tmp_path=tmp_path,
    )
    assert values.location.destination == "s3://clips@s3.example.org:9000"
    assert values.secrets() == ("AKIAEXAMPLE", "wJalrXUtnFEMI")
    assert any("unencrypted" in warning for warning in values.warnings)


def test_a_location_without_kasm_id_is_a_warning(tmp_path: Path) -> None:
    values = load(
        'session_recording_upload_location = "file:///srv/clips/{username}.mp4"', tmp_path=tmp_path
    )
    assert any("kasm_id" in warning for warning in values.warnings)
    assert load().warnings == ()
