"""The bundled test data is what its index says."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_recording_of_the_index_is_bundled_unchanged(
    recordings: Callable[[str], Path], reference_index: dict[str, Any]
) -> None:
    assert reference_index
    for name, facts in reference_index.items():
        content = recordings(name).read_bytes()
        assert len(content) == facts["bytes"]
        assert hashlib.sha256(content).hexdigest() == facts["sha256"]


def test_every_reference_picture_has_the_size_that_the_index_names(
    reference_index: dict[str, Any], reference_folder: Path
) -> None:
    named = set()
    for facts in reference_index.values():
        for shot in (*facts["shots"], *facts.get("repaired", {}).get("shots", ())):
            with Image.open(reference_folder / shot["file"]) as picture:
                assert picture.size == (shot["width"], shot["height"])
            named.add(shot["file"])
    assert named == {path.name for path in reference_folder.glob("*.webp")}
