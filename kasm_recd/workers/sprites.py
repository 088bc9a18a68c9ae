"""Small pictures of a clip in one sheet, and a WebVTT index that says which one stands for when.

A cue is ``sprites.jpg#xywh=x,y,width,height`` (https://www.w3.org/TR/media-frags/), as players show
it over the seek bar. The clip's time is divided evenly; a tile shows the middle of its part. Parts
in which the picture stood still have one tile and one cue together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kasm_recd.workers.stills import jpeg, sheet, shrunk

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

SHEET_NAME: Final = "sprites.jpg"
TILE_SIDE: Final = 160  # the longer one, in pixels
MOST_TILES: Final = 100
SHORTEST_MS: Final = 2_000  # a tile stands for at least so long
COLUMNS: Final = 10
_SECOND: Final = 1_000


def interval(duration_ms: int) -> int:
    """Milliseconds that a tile stands for: whole seconds, so many that the tiles are few."""
    seconds = -(-duration_ms // (MOST_TILES * _SECOND))
    return max(SHORTEST_MS, seconds * _SECOND)


class Sprites:
    """Collects tiles as a clip's frames pass by, in the order of their moments."""

    def __init__(self) -> None:
        self._tiles: list[VideoFrame] = []
        self._cues: list[tuple[int, int]] = []  # (begin in ms, tile)
        self._parts = 0
        self._anew = True

    def renew(self) -> None:
        """From now on another picture is seen."""
        self._anew = True

    def seen(self, frame: VideoFrame, *, until: int, duration_ms: int) -> None:
        """``frame`` is what is seen up to ``until`` (ms)."""
        step = interval(duration_ms)
        while self._parts < MOST_TILES and self._middle(step, duration_ms) < until:
            if self._anew:
                self._tiles.append(shrunk(frame, *_tile_size(frame)))
                self._cues.append((self._parts * step, len(self._tiles) - 1))
                self._anew = False
            self._parts += 1

    def _middle(self, step: int, duration_ms: int) -> int:
        begin = self._parts * step
        if begin >= duration_ms and self._parts:
            return duration_ms + 1  # no part begins there
        return (begin + min(begin + step, duration_ms)) // 2

    def sheet(self) -> bytes:
        """The tiles as one JPEG."""
        return jpeg(sheet(self._tiles, min(COLUMNS, len(self._tiles))))

    def index(self, duration_ms: int) -> str:
        """The WebVTT file beside it."""
        width, height = self._tiles[0].width, self._tiles[0].height
        ends = [*(begin for begin, _ in self._cues[1:]), max(duration_ms, self._cues[-1][0] + 1)]
        blocks = ["WEBVTT\n"]
        for (begin, tile), end in zip(self._cues, ends, strict=True):
            left, top = tile % COLUMNS * width, tile // COLUMNS * height
            blocks.append(
                f"{_stamp(begin)} --> {_stamp(end)}\n"
                f"{SHEET_NAME}#xywh={left},{top},{width},{height}\n"
            )
        return "\n".join(blocks)


def _tile_size(frame: VideoFrame) -> tuple[int, int]:
    """Even sides, the longer one TILE_SIDE."""
    scale = TILE_SIDE / max(frame.width, frame.height)
    width, height = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    return width, height


def _stamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, _SECOND)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
