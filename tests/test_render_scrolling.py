"""Scrolled text in a clip: it is sent as moved, not anew."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import av
import numpy as np

from kasm_recd.guacamole.instructions import encode
from tests.painting import encoded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_render import Rendered

WIDTH, HEIGHT, LINE = 160, 128, 17  # pixels
TIMES = 6


def _scrolled() -> bytes:
    """A screen full of specks, moved up by a line again and again."""
    specks = np.random.default_rng(7).integers(0, 2, (HEIGHT // 2, WIDTH // 2)).astype(np.uint8)
    grey = np.kron(specks * np.uint8(200), np.ones((2, 2), np.uint8))
    png = base64.b64encode(encoded(np.dstack([grey] * 3)))
    image = [encode("img", 1, 14, 0, "image/png", 0, 0), encode("blob", 1, png), encode("end", 1)]
    written = [encode("size", 0, WIDTH, HEIGHT), *image, encode("sync", 1_000)]
    for time in range(1, 1 + TIMES):
        moved = (0, 0, LINE, WIDTH, HEIGHT - LINE, 14, 0, 0, 0)
        written += [encode("copy", *moved), encode("sync", 1_000 + time * 100)]
    return b"".join(written)


def _sizes(clip: Path) -> list[int]:
    """Bytes of each frame."""
    with av.open(clip) as container:
        return [packet.size for packet in container.demux(video=0) if packet.size]


def test_scrolled_text_takes_a_fraction_of_new_text(rendered: Callable[..., Rendered]) -> None:
    clip = rendered(_scrolled(), size=(WIDTH, HEIGHT), framerate=25, end=1_700)
    first, *moved = _sizes(clip.path)
    assert len(moved) == TIMES
    assert sum(moved) < first
