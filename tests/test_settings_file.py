"""config/kasm-recd.toml is the reference: every setting stands in it, with its default."""

from __future__ import annotations

import tomllib
from pathlib import Path

from kasm_recd import settings
from kasm_recd.settings import Settings

FILE = Path(__file__).parents[1] / "config" / "kasm-recd.toml"


def test_the_file_has_every_setting_in_the_order_of_the_class() -> None:
    assert list(tomllib.loads(FILE.read_text())) == list(Settings.model_fields)


def test_the_files_values_are_the_defaults() -> None:
    from_file = settings.load(FILE, environ={}, credentials_dir=None)
    assert from_file == settings.load(None, environ={}, credentials_dir=None)


def test_the_defaults_pass_their_own_checks() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert Settings(**defaults) == Settings()


def test_every_setting_has_a_comment_above_it_and_a_way_out() -> None:
    blocks = FILE.read_text().split("\n\n")
    for name, field in Settings.model_fields.items():
        (block,) = [block for block in blocks if f"\n{name} = " in f"\n{block}"]
        assert block.startswith("#"), name
        assert field.description, name
