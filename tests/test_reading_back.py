"""A worker reads its finished clip back: what it finds, and what it finds out."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import av
import pytest

from kasm_recd.errors import ClipRejected, WorkerFailed
from kasm_recd.guacamole.instructions import encode
from kasm_recd.probe import Probe, probe, told
from kasm_recd.workers import render
from kasm_recd.workers.reading_back import read_back

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_render import Rendered

#: Three pictures, in whole seconds; the second is drawn over the first in a corner.
RECORDING = b"".join(
    encode("size", 0, 320, 240)
    + encode("rect", 0, 0, 0, 100 + 99 * second, 100)
    + encode("cfill", 14, 0, 80 * second, 99, 200, 255)
    + encode("sync", 1_000 + 1_000 * second)
    for second in range(3)
)
END = 5_000


async def test_it_finds_what_ffprobe_finds(rendered: Callable[..., Rendered]) -> None:
    for codec, name in (("libx264", "h264"), ("libx265", "hevc"), ("libsvtav1", "av1")):
        clip = rendered(RECORDING, "--codec", codec, size=(160, 120), end=END)
        found = told(clip.path, clip.result)
        assert found == await probe(clip.path)
        assert found == Probe(name, "yuv420p", 160, 120, True, 4_000, True)
        assert clip.result["probe"]["pictures"] == clip.result["frames"] == 3
        clip.path.unlink()


async def test_it_finds_an_index_at_the_end_and_oblong_pixels(
    rendered: Callable[..., Rendered], tmp_path: Path
) -> None:
    clip, other = rendered(RECORDING, end=END), tmp_path / "other.mp4"
    command = ["ffmpeg", "-v", "error", "-i", str(clip.path), "-c", "copy", "-aspect", "2"]
    subprocess.run([*command, str(other)], check=True)
    found = told(other, {"frames": 3, "probe": read_back(other)})
    assert found == await probe(other)
    assert (found.faststart, found.square_pixels) == (False, False)


def _empty(content: bytes) -> bytes:
    return content[:0]


def _noise(content: bytes) -> bytes:
    return bytes(range(256)) * (len(content) // 256 + 1)


def _without_its_last_byte(content: bytes) -> bytes:
    return content[:-1]


def _without_its_index(content: bytes) -> bytes:
    return content.replace(b"moov", b"gone")


def _first_picture_gone(content: bytes) -> bytes:
    pictures = content.index(b"mdat") + 4
    return content[:pictures] + bytes(len(content) - pictures)


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (_empty, "the finished clip.mp4 cannot be played: .*Invalid data"),
        (_noise, "the finished clip.mp4 cannot be played: .*Invalid data"),
        (_without_its_last_byte, "the finished clip breaks off"),
        (
            _without_its_index,
            "the finished clip.mp4 cannot be played|the finished clip has 0 streams",
        ),
        (_first_picture_gone, "the finished clip.mp4 cannot be played"),
    ],
)
def test_a_clip_that_was_damaged_on_the_disk_is_no_clip(
    damaged: Callable[[bytes], bytes], said: str, rendered: Callable[..., Rendered]
) -> None:
    clip = rendered(RECORDING, end=END).path
    clip.write_bytes(damaged(clip.read_bytes()))
    with pytest.raises(WorkerFailed, match=said):
        read_back(clip)


def _cut_before_its_last_picture(clip: Path) -> None:
    with av.open(clip) as container:
        last = max(packet.pos or 0 for packet in container.demux(video=0) if packet.size)
    clip.write_bytes(clip.read_bytes()[:last])


def test_a_picture_that_is_lost_before_the_clip_is_read_back_is_missed(
    rendered: Callable[..., Rendered], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_and_read(clip: Path) -> dict[str, Any]:
        _cut_before_its_last_picture(clip)
        return read_back(clip)

    monkeypatch.setattr(render, "read_back", lose_and_read)
    clip = rendered(RECORDING, end=END)
    with pytest.raises(ClipRejected, match=r"clip\.mp4 has 2 pictures, not 3"):
        told(clip.path, clip.result)


def test_a_worker_whose_clip_does_not_play_fails_and_says_so(
    rendered: Callable[..., Rendered],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def damage_and_read(clip: Path) -> dict[str, Any]:
        clip.write_bytes(_first_picture_gone(clip.read_bytes()))
        return read_back(clip)

    monkeypatch.setattr(render, "read_back", damage_and_read)
    with pytest.raises(AssertionError):
        rendered(RECORDING, end=END)
    assert "render: the finished clip" in capsys.readouterr().err
