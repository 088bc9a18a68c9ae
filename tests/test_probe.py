"""How far a clip may be from what was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.contents import Contents
from kasm_recd.encoder import Job, Picture
from kasm_recd.errors import ClipRejected, WorkerFailed
from kasm_recd.probe import LARGEST_BESIDE, LIMITS, Probe, check, check_thumbnail, probe, told

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = Probe("h264", "yuv420p", 720, 480, True, 10_000, True)
FOUND = {
    "bytes": 5_000,
    "codec": "h264",
    "pixel_format": "yuv420p",
    "width": 720,
    "height": 480,
    "square_pixels": True,
    "duration_ms": 10_000,
    "first_packet": 1_017,
    "pictures": 17,
}


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


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(5_000))
    return path


def test_what_a_worker_read_back_is_taken_as_it_says(clip: Path) -> None:
    assert told(clip, {"frames": 17, "probe": FOUND}) == RIGHT
    index_last = FOUND | {"first_packet": 48, "square_pixels": False}
    found = told(clip, {"frames": 17, "probe": index_last})
    assert found == replace(RIGHT, faststart=False, square_pixels=False)


@pytest.mark.parametrize(
    "found",
    [
        None,
        [FOUND],
        "h264",
        {},
        *({key: value for key, value in FOUND.items() if key != left} for left in FOUND),
        *(FOUND | {key: None} for key in FOUND),
        *(FOUND | {key: [FOUND[key]]} for key in FOUND),
        FOUND | {"more": 1},
        FOUND | {"width": 720.0},
        FOUND | {"height": "480"},
        FOUND | {"square_pixels": 1},
        FOUND | {"pictures": True},
        FOUND | {"duration_ms": -1},
        FOUND | {"duration_ms": float("inf")},
        FOUND | {"duration_ms": 1 << 53},
        FOUND | {"bytes": 4_999},
    ],
)
def test_a_worker_that_does_not_say_plainly_what_it_read_has_failed(found: Any, clip: Path) -> None:
    with pytest.raises(WorkerFailed, match=r"what clip\.mp4 is|read 4999 of 5000 bytes"):
        told(clip, {"frames": 17, "probe": found})


@pytest.mark.parametrize("frames", [None, 16, 18, "17"])
def test_a_clip_holds_as_many_pictures_as_were_put_into_it(frames: Any, clip: Path) -> None:
    with pytest.raises(ClipRejected, match=r"clip\.mp4 has 17 pictures, not"):
        told(clip, {"frames": frames, "probe": FOUND})


def test_a_link_in_a_clips_place_is_no_clip(clip: Path) -> None:
    clip.rename(elsewhere := clip.with_name("elsewhere"))
    clip.symlink_to(elsewhere)
    with pytest.raises(ClipRejected, match=r"no clip\.mp4 was made"):
        told(clip, {"frames": 17, "probe": FOUND})


def test_a_thumbnail_is_a_jpeg_of_bounded_size(tmp_path: Path) -> None:
    thumbnail = tmp_path / "thumbnail.jpg"
    thumbnail.write_bytes(b"\xff\xd8\xff\xe0")
    check_thumbnail(thumbnail)
    with thumbnail.open("r+b") as file:
        file.truncate(LARGEST_BESIDE + 1)
    with pytest.raises(ClipRejected, match="no JPEG of at most"):
        check_thumbnail(thumbnail)
