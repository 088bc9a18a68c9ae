"""The manifest says what lies beside it, and a crash's leftovers are held against it."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import manifest
from kasm_recd.contents import Damage
from kasm_recd.errors import ClipRejected
from kasm_recd.states import Form
from tests.values import CONTENTS, make_recording, make_segment, make_session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (("clip.mp4", b"clip"), ("thumbnail.jpg", b"picture")):
        (tmp_path / name).write_bytes(content)
    return tmp_path


def composed(folder: Path, **changes: Any) -> dict[str, Any]:
    return manifest.compose(
        make_session(),
        make_recording(),
        make_segment(encoder="native", **changes),
        form=Form.CLIP,
        artifacts=[manifest.artifact(folder, role) for role in ("clip", "thumbnail")],
        duration_ms=10_000,
    )


def test_a_manifest_names_session_times_digests_and_what_the_clip_may_reveal(
    folder: Path,
) -> None:
    contents = CONTENTS.__class__(
        **{name: getattr(CONTENTS, name) for name in CONTENTS.__slots__}
        | {"contains_keys": True, "damage": (Damage(5, 9, "invalid", "no terminator"),)}
    )
    written = json.loads(json.dumps(composed(folder, contents=contents)))
    assert written["session"]["kasm_id"] == "k-1"
    assert written["start"] == "2023-11-14T22:13:21.000Z"
    assert written["end"] == "2023-11-14T22:13:31.000Z"
    assert written["contains_keys"] is True
    assert written["contains_audio"] is False
    assert written["damage"] == [
        {"start": 5, "end": 9, "kind": "invalid", "reason": "no terminator"}
    ]
    assert written["segment"]["sha256"] == "ab" * 32
    assert written["artifacts"][0]["sha256"] == hashlib.sha256(b"clip").hexdigest()


def test_a_finished_folder_is_adopted_with_every_artifact(folder: Path) -> None:
    own = manifest.write(folder, composed(folder))
    adopted = manifest.adopt(folder)
    assert adopted is not None
    assert [item.role for item in adopted[1]] == ["clip", "thumbnail", "manifest"]
    assert adopted[1][-1] == own


def test_a_recordings_name_need_not_be_text(folder: Path) -> None:
    described = composed(folder) | {"recording": {"id": 7, "name": os.fsdecode(b"x-\xff")}}
    manifest.write(folder, described)
    written = json.loads((folder / manifest.NAME).read_bytes())
    assert os.fsencode(written["recording"]["name"]) == b"x-\xff"


def test_a_folder_without_a_manifest_is_not_finished(folder: Path) -> None:
    assert manifest.adopt(folder) is None


@pytest.mark.parametrize("harm", ["changed", "missing", "torn"])
def test_a_leftover_that_is_not_what_its_manifest_says_is_rejected(folder: Path, harm: str) -> None:
    manifest.write(folder, composed(folder))
    if harm == "changed":
        (folder / "clip.mp4").write_bytes(b"clop")
    elif harm == "missing":
        (folder / "thumbnail.jpg").unlink()
    else:
        path = folder / "manifest.json"
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ClipRejected, match=r"manifest\.json"):
        manifest.adopt(folder)
