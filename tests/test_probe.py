"""How far a clip may be from what was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kasm_recd.encoder import Job, Picture
from kasm_recd.errors import ClipRejected, WorkerFailed
from kasm_recd.probe import LARGEST_BESIDE, LIMITS, Probe, check, check_thumbnail, probe
from kasm_recd.segment import Contents

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = Probe("h264", "yuv420p", 720, 480, True, 10_000, True)


def job(folder: Path, *, framerate: int = 2) -> Job:
    return Job(
        body=folder / "body.guac",
        folder=folder,
        contents=Contents(first_sync=500, last_sync=9_000),
        end_timestamp=10_500,
        picture=Picture(720, 480, framerate, 8_000_000),
    )


@pytest.mark.parametrize(
    ("framerate", "rounding_ms", "off_ms"), [(2, 0, 500), (25, 0, 40), (25, 40, 80), (30, 0, 34)]
)
def test_a_clip_may_be_off_by_one_frame_and_the_encoders_rounding(
    framerate: int, rounding_ms: int, off_ms: int, tmp_path: Path
) -> None:
    asked = job(tmp_path, framerate=framerate)
    for sign in (-1, 1):
        allowed = replace(RIGHT, duration_ms=10_000 + sign * off_ms)
        check(allowed, asked, rounding_ms=rounding_ms)
        too_far = replace(RIGHT, duration_ms=10_000 + sign * (off_ms + 1))
        with pytest.raises(ClipRejected, match=f"not 10000 ms .± {off_ms} ms"):
            check(too_far, asked, rounding_ms=rounding_ms)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    wrong = Probe("vp9", "yuv444p", 640, 480, False, 1, False)
    with pytest.raises(ClipRejected) as caught:
        check(wrong, job(tmp_path))
    assert str(caught.value) == (
        "the clip is not what was asked for: codec is vp9, not h264; "
        "pixel format is yuv444p, not yuv420p; size is 640x480, not 720x480; "
        "square pixels is False, not True; index first is False, not True; "
        "duration is 1 ms, not 10000 ms (± 500 ms)"
    )


async def test_a_file_of_noise_is_not_playable(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(bytes(range(256)) * 100)
    with pytest.raises(ClipRejected, match=r"clip\.mp4 cannot be played"):
        await probe(tmp_path / "clip.mp4")


async def test_ffprobe_past_its_deadline_is_a_failed_worker(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"x")
    with pytest.raises(WorkerFailed, match="ffprobe ran past its deadline"):
        await probe(tmp_path / "clip.mp4", limits=replace(LIMITS, deadline_s=0.0))


def test_a_thumbnail_is_a_jpeg_of_bounded_size(tmp_path: Path) -> None:
    thumbnail = tmp_path / "thumbnail.jpg"
    thumbnail.write_bytes(b"\xff\xd8\xff\xe0")
    check_thumbnail(thumbnail)
    with thumbnail.open("r+b") as file:
        file.truncate(LARGEST_BESIDE + 1)
    with pytest.raises(ClipRejected, match="no JPEG of at most"):
        check_thumbnail(thumbnail)
