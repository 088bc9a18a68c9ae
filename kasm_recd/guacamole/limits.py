"""What a recording may ask of the display; beyond, an instruction is refused and named as damage.

A recording is written by a program that a remote user can steer, so every size in it is hostile
until it is checked. The largest display that fits is 8K; a canvas costs memory only once it is
drawn on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from kasm_recd.errors import Parked


class Undrawable(Parked):
    """An instruction asks for what the display cannot draw, or will not."""

    default_hint = "The picture may lack this drawing; the stored bytes have it."


CANVAS_PIXELS: Final = 7680 * 4352  # 8K, rounded up as canvases are
CANVAS_SIDE: Final = 16_384
TOTAL_PIXELS: Final = 1 << 27  # of all canvases together; 512 MiB when all of it is drawn on
LAYERS: Final = 256  # alive at once; guacd uses a handful
BUFFERS: Final = 4_096  # alive at once; guacd uses a few dozen
IMAGE_PIXELS: Final = CANVAS_PIXELS
OPEN_STREAMS: Final = 64  # guacd's own limit
STREAM_BYTES: Final = 1 << 26  # received and not yet drawn, of all open streams together
PATH_COMMANDS: Final = 4_096  # of one path
PATHS_TOGETHER: Final = 1 << 18  # commands of all paths and clips of a display
PATH_POINTS: Final = 1 << 18  # that one path runs through, or one line has as corners
CROSSINGS: Final = (
    1 << 24
)  # of edges with sixteenths of rows, in one shape: 2,000 edges as high as 8K
CLIPS: Final = 16  # that one layer is clipped to at once
NESTED: Final = 4  # streams of instructions within each other
SAVED_STATES: Final = 64  # pushed and not yet popped, of one layer
COORDINATE: Final = 1 << 24
DAMAGES: Final = 1_000  # named; the rest is only counted


@lru_cache(maxsize=8_192)
def checked_number(text: bytes) -> int:
    """``text`` as a coordinate, size or index. Raises Undrawable."""
    try:
        number = int(text)
    except ValueError:
        raise Undrawable(f"not a number: {text[:20]!r}") from None
    if not -COORDINATE <= number <= COORDINATE:
        raise Undrawable(f"number out of range: {text[:20]!r}")
    return number


def check_canvas(width: int, height: int) -> None:
    """Raises Undrawable when a canvas of that size is refused."""
    if width < 0 or height < 0 or max(width, height) > CANVAS_SIDE:
        raise Undrawable(f"size out of range: {width}x{height}")
    if width * height > CANVAS_PIXELS:
        raise Undrawable(f"size beyond 8K: {width}x{height}")
