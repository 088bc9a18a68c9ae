"""Clips made by the render worker, and ways to look into them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from kasm_recd.workers import render

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from kasm_recd.guacamole.pixels import Bytes

BITRATE = 8_000_000


class Rendered:
    """A clip, its thumbnail, and what the worker printed."""

    def __init__(self, folder: Path, result: dict[str, Any]) -> None:
        self.path = folder / "clip.mp4"
        self.thumbnail = folder / "thumbnail.jpg"
        self.result = result

    def moments(self, *, keyframes: bool = False) -> list[int]:
        """Milliseconds of each frame, or of each keyframe."""
        with av.open(self.path) as container:
            return [
                round((packet.pts or 0) * packet.time_base * 1000)
                for packet in container.demux(video=0)
                if packet.size and (packet.is_keyframe or not keyframes)
            ]

    def pictures(self, numbers: Collection[int] | None = None) -> dict[int, Bytes]:
        """RGB of each frame, or of those that are wanted, by number."""
        with av.open(self.path) as container:
            return {
                number: frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                for number, frame in enumerate(container.decode(video=0))
                if numbers is None or number in numbers
            }

    def probe(self) -> dict[str, Any]:
        command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json"]
        answer: dict[str, Any] = json.loads(subprocess.check_output([*command, self.path]))
        return answer


@pytest.fixture
def rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Rendered]:
    """Renders a recording's bytes or file in this process."""

    def made(
        body: bytes | Path,
        *options: str,
        size: tuple[int, int] = (0, 0),
        framerate: int = 25,
        end: int = 0,
    ) -> Rendered:
        if isinstance(body, bytes):
            path = tmp_path / "body.guac"
            path.write_bytes(body)
        else:
            path = body
        arguments = {
            "input": path,
            "output": tmp_path / "clip.mp4",
            "thumbnail": tmp_path / "thumbnail.jpg",
            "width": size[0],
            "height": size[1],
            "framerate": framerate,
            "bitrate": BITRATE,
            "end-timestamp": end,
        }
        argv = [part for key, value in arguments.items() for part in (f"--{key}", str(value))]
        assert render.main([*argv, *options]) == 0
        return Rendered(tmp_path, json.loads(capsys.readouterr().out.splitlines()[-1]))

    return made
