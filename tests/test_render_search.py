"""How far x264 searches for what moved: far where text scrolls, near where pictures move."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from kasm_recd.guacamole.instructions import encode
from kasm_recd.workers import render
from kasm_recd.workers.scrolling import scrolls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_render import Rendered

PLAIN = encode("rect", 0, 0, 0, 9, 9)
SCROLL = encode("copy", 0, 0, 16, 800, 584, 14, 0, 0, 0)
TERMINALS = {"ssh-work.guac", "ssh-title-9c.guac", "abrupt-midins.guac"}


def _said(tmp_path: Path, *instructions: bytes) -> bool:
    path = tmp_path / "some.guac"
    path.write_bytes(b"".join(instructions))
    return scrolls([path])


def test_terminals_that_scroll_are_told_from_what_moves_otherwise(
    recordings: Callable[[str], Path], reference_index: dict[str, Any]
) -> None:
    assert {name for name in reference_index if scrolls([recordings(name)])} == TERMINALS


@pytest.mark.parametrize(
    ("copied", "expected"),
    [
        (SCROLL, True),
        (encode("copy", 1, 0, 16, 800, 584, 14, 1, 0, 0), True),
        (encode("copy", -1, 0, 16, 800, 584, 14, 0, 0, 0), True),
        (encode("copy", 0, 0, 16, 800, 584, 14, -1, 0, 0), False),  # nobody sees a buffer
        (encode("copy", -1, 0, 0, 800, 584, 14, 0, 0, 0), False),  # nothing moves
        (encode("copy", 0, 0, 16, 80, 58, 14, 0, 0, 0), False),  # a little in a lot
        (SCROLL[:-1], False),
        (b"", False),
    ],
)
def test_what_counts_is_how_much_is_seen_to_move(
    copied: bytes, expected: bool, tmp_path: Path
) -> None:
    assert _said(tmp_path, PLAIN * 5_000, copied, PLAIN) is expected


def test_of_a_large_file_samples_are_enough(tmp_path: Path) -> None:
    quiet = PLAIN * 200
    assert _said(tmp_path, *[quiet, SCROLL] * 8_000)
    assert _said(tmp_path, *[quiet] * 6_000, *[quiet, SCROLL] * 2_000)
    assert not _said(tmp_path, *[quiet] * 8_000)


@pytest.mark.parametrize(
    ("copied", "framerate", "search"), [(SCROLL, 25, "umh"), (SCROLL, 8, "hex"), (b"", 25, "hex")]
)
def test_x264_is_told(
    copied: bytes, framerate: int, search: str, rendered: Callable[..., Rendered]
) -> None:
    stream = encode("size", 0, 64, 64), copied, *[PLAIN] * 5_000, encode("sync", 1_000)
    clip = rendered(b"".join(stream), framerate=framerate, end=2_000)
    # x264 writes what it was told into its first packet.
    assert re.findall(rb" me=([a-z]+) ", clip.path.read_bytes()) == [search.encode()]


def test_what_does_not_matter_is_not_looked_for(rendered: Callable[..., Rendered]) -> None:
    stream = encode("size", 0, 64, 64) + PLAIN + encode("sync", 1_000)
    with patch.object(render, "scrolls", return_value=False) as asked:
        rendered(stream, framerate=8, end=2_000)
        rendered(stream, "--preset", "ultrafast", end=2_000)
        assert not asked.called
        rendered(stream, end=2_000)
        assert asked.call_count == 1
