"""Secrets appear in no error, traceback, repr or dump."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from kasm_recd import settings
from kasm_recd.errors import SettingsInvalid
from kasm_recd.settings import Settings

SECRET = "wJalrXUtnFEMI/K7MDENG"  # noqa: S105 - an example of AWS's manual
KEY = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def values(tmp_path: Path) -> Settings:
    (tmp_path / "recording_object_storage_secret").write_text(f"{SECRET}\n")
    environ = {"KASM_RECD_RECORDING_OBJECT_STORAGE_KEY": KEY}
    return settings.load(None, environ=environ, credentials_dir=tmp_path)


def test_secrets_are_masked_wherever_settings_are_shown(values: Settings) -> None:
    shown = [repr(values), str(values), f"{values!r:s}", repr(values.__dict__)]
    shown += [
        repr(values.model_dump()),
        values.model_dump_json(),
        json.dumps(dict(vars(values)), default=str),
    ]
    for text in shown:
        assert SECRET not in text
        assert KEY not in text
    assert values.secrets() == (KEY, SECRET)


HAS_SECRET = f'recording_object_storage_secret = "{SECRET}"\n'
WRONG = [
    f'recording_object_storage_secrte = "{SECRET}"',  # an unknown name
    f'recording_object_storage_secret = ["{SECRET}"]',  # a wrong type
    f'recording_object_storage_secret = "{SECRET}"\nencoder = "{SECRET}"',  # pasted twice
    f'session_recording_upload_location = "s3://{SECRET}@x/{{kasm_id}}.mp4"\n{HAS_SECRET}',
    f'[s3]\nsecret = "{SECRET}"',  # a table of somebody else's
    f'recording_object_storage_secret = "{SECRET}" "',  # no TOML
    f'recording_object_storage_secret = "{SECRET}"\nupload_slots = 0',
    f'recording_object_storage_secret = "{SECRET}"\nspool_dir = "/var/lib/guacd"',
]


@pytest.mark.parametrize("text", WRONG)
def test_no_error_shows_a_secret(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kasm-recd.toml"
    file.write_text(text)
    with pytest.raises(SettingsInvalid) as caught:
        settings.load(file, environ={}, credentials_dir=None)
    error = caught.value
    told = "".join(
        [*traceback.format_exception(error), repr(error), error.hint, repr(error.problems)]
    )
    assert SECRET not in told
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def test_a_secret_in_the_environment_under_a_wrong_name_is_not_shown() -> None:
    environ = {"KASM_RECD_RECORDING_OBJECT_STORAGE_SECRTE": SECRET}
    with pytest.raises(SettingsInvalid) as caught:
        settings.load(None, environ=environ, credentials_dir=None)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_pydantics_own_error_hides_what_was_put_in() -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        Settings(recording_object_storage_secret=[SECRET])  # type: ignore[arg-type]  # the test
    assert SECRET not in str(caught.value)


def test_root_at_a_prompt_finds_the_secrets_where_systemd_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kasm_recd.settings.sources.CREDSTORE", tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert settings.credentials_folder({}) == tmp_path
    assert settings.credentials_folder({"CREDENTIALS_DIRECTORY": "/run/c"}) == Path("/run/c")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert settings.credentials_folder({}) is None
