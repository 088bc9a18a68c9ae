"""The bundled recordings, unpacked once a session, and what the official player shows of them."""

from __future__ import annotations

import json
import lzma
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``recordings("ssh-work.guac")`` is the path of that recording, unpacked."""
    folder = tmp_path_factory.mktemp("recordings")

    def unpacked(name: str) -> Path:
        path = folder / name
        if not path.exists():
            packed = DATA / "recordings" / f"{name}.xz"
            with lzma.open(packed) as source, path.open("xb") as target:
                shutil.copyfileobj(source, target)
        return path

    return unpacked


@pytest.fixture(scope="session")
def reference_index() -> dict[str, Any]:
    """Recording name -> facts and reference pictures; tests/data/README.md has the fields."""
    index: dict[str, Any] = json.loads((DATA / "ref" / "index.json").read_text())
    return index


@pytest.fixture(scope="session")
def reference_folder() -> Path:
    """Where the reference pictures that the index names lie."""
    return DATA / "ref"
