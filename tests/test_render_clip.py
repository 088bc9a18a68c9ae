"""Clips as a whole: what ffprobe and ffmpeg say of them, and what is seen in them."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from kasm_recd.guacamole.instructions import encode
from kasm_recd.workers import render
from kasm_recd.workers.reading_back import read_back
from kasm_recd.workers.replay import replay
from tests.painting import encoded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_render import Rendered


def _recording(
    *moments: int, width: int = 64, height: int = 64, changing: tuple[int, int] | None = None
) -> bytes:
    """A ``sync`` at each moment; each shows another grey, all over or in the upper left corner."""
    written = [encode("size", 0, width, height)]
    for number, moment in enumerate(moments):
        grey = 40 + number * 37 % 200
        written += [
            encode("rect", 0, 0, 0, *(changing or (width, height))),
            encode("cfill", 14, 0, grey, grey, grey, 255),
            encode("sync", 1_000 + moment),
        ]
    return b"".join(written)


def test_a_clip_is_what_browsers_play(rendered: Callable[..., Rendered]) -> None:
    clip = rendered(_recording(0, 500), size=(640, 480), end=3_000)
    probed = clip.probe()
    (stream,) = probed["streams"]
    expected = {
        "codec_name": "h264",
        "pix_fmt": "yuv420p",
        "width": 640,
        "height": 480,
        "sample_aspect_ratio": "1:1",
        "color_range": "tv",
        "color_space": "bt709",
        "color_primaries": "bt709",
        "color_transfer": "bt709",
    }
    assert {key: stream.get(key) for key in expected} == expected
    content = clip.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert clip.result == {
        "frames": 2,
        "duration_ms": 2_000,
        "width": 640,
        "height": 480,
        "damage": [],
        "probe": read_back(clip.path),
    }


@pytest.mark.parametrize("end", [1_900, 1_910, 5_000, 3_600_000 * 5])
def test_the_last_picture_is_held_until_the_end(
    rendered: Callable[..., Rendered], end: int
) -> None:
    clip = rendered(_recording(0, 500, 900), end=end)
    probed = clip.probe()
    for duration in (probed["format"]["duration"], probed["streams"][0]["duration"]):
        assert float(duration) * 1000 == pytest.approx(end - 1_000, abs=2)
    assert clip.result["frames"] == 3
    assert clip.path.stat().st_size < 5_000


def test_frames_have_the_times_of_their_syncs(rendered: Callable[..., Rendered]) -> None:
    clip = rendered(_recording(0, 100, 777, 60_000), end=61_001)
    assert clip.moments() == [0, 100, 777, 60_000]


def test_there_is_a_keyframe_every_few_seconds_of_content(
    rendered: Callable[..., Rendered],
) -> None:
    moments = range(0, 30_000, 250)
    clip = rendered(_recording(*moments, width=320, height=240, changing=(8, 8)), end=31_000)
    assert clip.moments(keyframes=True) == [0, 10_000, 20_000]


def test_a_picture_that_stands_still_is_no_content(rendered: Callable[..., Rendered]) -> None:
    moments = range(0, 600_000, 20_000)
    clip = rendered(_recording(*moments, width=320, height=240, changing=(8, 8)), end=601_000)
    assert clip.moments(keyframes=True) == [0, 200_000, 400_000]


def test_what_changes_before_a_long_pause_is_seen_in_it(rendered: Callable[..., Rendered]) -> None:
    noise = np.random.default_rng(1).integers(0, 2, (48, 160, 1)).astype(np.uint8) * np.uint8(255)
    png = base64.b64encode(encoded(np.repeat(noise, 3, axis=2)))
    text = [
        *(encode("img", 1, 14, 0, "image/png", 80, 96), encode("blob", 1, png), encode("end", 1)),
        encode("sync", 2_000),
    ]
    before = _recording(*range(0, 1_000, 100), width=320, height=240, changing=(8, 8))
    after = encode("cfill", 14, 0, 0, 0, 0, 255) + encode("sync", 92_000)
    clip = rendered(before + b"".join(text) + after, end=93_000)
    assert clip.moments()[-2:] == [1_000, 91_000]
    shown = clip.pictures()[clip.result["frames"] - 2][96:144, 80:240]
    assert np.abs(shown - noise.astype(int)).mean() < 12


@pytest.mark.parametrize(("codec", "named"), [("libx265", "hevc"), ("libsvtav1", "av1")])
def test_another_codec_shows_the_same_at_the_same_times(
    codec: str, named: str, rendered: Callable[..., Rendered]
) -> None:
    body = _recording(0, 500, 12_000, width=320, height=240)
    clip = rendered(body, "--codec", codec, size=(320, 240), end=14_000)
    (stream,) = clip.probe()["streams"]
    assert stream["codec_name"] == named
    assert float(stream["duration"]) == pytest.approx(13.0, abs=0.002)
    assert clip.moments() == [0, 500, 12_000]
    greys = [int(picture[120, 160, 0]) for picture in clip.pictures().values()]
    assert greys == pytest.approx([40, 77, 114], abs=3)


def test_a_quality_off_the_codecs_scale_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "body").write_bytes(_recording(0))
    options = ["--output", str(tmp_path / "c.mp4"), "--thumbnail", str(tmp_path / "t.jpg")]
    options += ["--width", "64", "--height", "64", "--framerate", "2", "--bitrate", "1000000"]
    options += ["--quality", "52", "--end-timestamp", "2000"]
    assert render.main(["--input", str(tmp_path / "body"), *options]) == 1
    assert "quality 52 is not from 1 to 51, as libx264 counts it" in capsys.readouterr().err


def test_a_display_of_odd_size_loses_nothing(rendered: Callable[..., Rendered]) -> None:
    clip = rendered(_recording(0, width=101, height=77), end=1_100)
    assert (clip.result["width"], clip.result["height"]) == (102, 78)
    (picture,) = clip.pictures().values()
    assert np.abs(picture[:76, :100].astype(int) - 40).max() <= 4


def test_the_own_size_is_the_first_that_is_one(rendered: Callable[..., Rendered]) -> None:
    sizes = [encode("size", 0, 0, 0), encode("size", 1, 10, 10), encode("size", 0, 99_999, 9)]
    clip = rendered(b"".join(sizes) + _recording(0, width=32, height=48), end=1_100)
    assert (clip.result["width"], clip.result["height"]) == (32, 48)
    assert "size" in clip.result["damage"][0]["reason"]


def test_a_clip_may_last_no_time_at_all(rendered: Callable[..., Rendered]) -> None:
    clip = rendered(_recording(0), end=1_000)
    assert len(clip.moments()) == 1
    assert float(clip.probe()["format"]["duration"]) < 0.04


@pytest.mark.parametrize("body", [b"", b"4.sync,1.5;", encode("size", 0, 8, 8), b"\0" * 10_000])
def test_a_recording_with_nothing_to_show_is_refused_in_words(
    body: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "body").write_bytes(body)
    options = ["--output", str(tmp_path / "c.mp4"), "--thumbnail", str(tmp_path / "t.jpg")]
    options += ["--width", "0", "--height", "0", "--framerate", "2", "--bitrate", "1000000"]
    code = render.main(["--input", str(tmp_path / "body"), *options, "--end-timestamp", "10"])
    assert code == 1
    assert "render: " in capsys.readouterr().err


def test_the_thumbnail_shows_the_middle(rendered: Callable[..., Rendered]) -> None:
    clip = rendered(_recording(0, 400, 2_000, width=960, height=540), end=3_000)
    with Image.open(clip.thumbnail) as image:
        assert image.format == "JPEG"
        assert image.size == (480, 270)
        pixels = np.asarray(image.convert("RGB"))
    assert pixels[100, 100].tolist() == pytest.approx([77] * 3, abs=6)


def test_the_thumbnail_is_not_of_an_empty_screen_where_there_was_more_to_see(
    rendered: Callable[..., Rendered],
) -> None:
    squares = [
        encode("rect", 0, x, y, 8, 8) + encode("cfill", 14, 0, x % 256, 255 - y, 128, 255)
        for x in range(0, 320, 16)
        for y in range(0, 240, 16)
    ]
    body = _recording(0, 400, width=320, height=240) + b"".join(squares) + encode("sync", 3_000)
    with Image.open(rendered(body, end=3_000).thumbnail) as image:
        small = np.asarray(image.convert("RGB").resize((40, 30)))
    assert len(np.unique(small.reshape(-1, 3), axis=0)) > 50


def test_the_pointer_is_drawn_unless_it_is_not_wanted(rendered: Callable[..., Rendered]) -> None:
    written = [
        _recording(0),
        encode("rect", -1, 0, 0, 16, 16),
        encode("cfill", 14, -1, 255, 255, 255, 255),
        encode("cursor", 8, 8, -1, 0, 0, 16, 16),
        encode("mouse", 40, 30, 0, 1_200),
        encode("sync", 1_200),
    ]
    body = b"".join(written)
    shown = rendered(body, end=1_300).pictures()
    assert shown[1][24:36, 34:46].min() > 240
    hidden = rendered(body, "--no-pointer", end=1_300).pictures()
    assert max(picture.max() for picture in hidden.values()) < 60


def test_an_idle_session_costs_a_few_frames(
    rendered: Callable[..., Rendered],
    recordings: Callable[[str], Path],
    reference_index: dict[str, Any],
) -> None:
    facts = reference_index["ssh-idle.guac"]
    clip = rendered(recordings("ssh-idle.guac"), end=facts["last_sync"])
    assert float(clip.probe()["format"]["duration"]) * 1000 == pytest.approx(299_921, abs=40)
    assert clip.result["frames"] < 150
    assert clip.path.stat().st_size < 100_000


def test_it_runs_as_a_program_and_tells_its_progress(
    tmp_path: Path, recordings: Callable[[str], Path], reference_index: dict[str, Any]
) -> None:
    last = reference_index["reconnect.guac"]["last_sync"]
    command = [sys.executable, "-I", "-m", "kasm_recd.workers.render"]
    command += ["--input", str(recordings("reconnect.guac"))]
    command += ["--output", str(tmp_path / "clip.mp4"), "--thumbnail", str(tmp_path / "t.jpg")]
    command += ["--width", "720", "--height", "480", "--framerate", "2", "--bitrate", "8000000"]
    done = subprocess.run(
        [*command, "--end-timestamp", str(last)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["duration_ms"] == 7_366
    assert all(line.startswith("progress ") for line in done.stderr.splitlines())
    assert done.stderr
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_next_preamble_is_what_a_replay_makes_byte_for_byte(
    tmp_path: Path,
    rendered: Callable[..., Rendered],
    recordings: Callable[[str], Path],
    reference_index: dict[str, Any],
) -> None:
    end = reference_index["v155-vnc.guac"]["last_sync"]
    data = recordings("v155-vnc.guac").read_bytes()
    cut = data.index(b";", data.index(b"4.sync,", len(data) // 2)) + 1
    parts = [tmp_path / "first", tmp_path / "second"]
    parts[0].write_bytes(data[:cut])
    # A tail behind the last sync is of the display too, though no frame shows it.
    parts[1].write_bytes(
        data[cut:] + encode("rect", 0, 9, 9, 99, 99) + encode("cfill", 14, 0, 9, 9, 9, 255)
    )
    before: Path | None = None
    for number, part in enumerate(parts):
        ours, theirs = tmp_path / f"ours{number}", tmp_path / f"theirs{number}"
        options = ("--preamble", str(before)) if before else ()
        clip = rendered(part, "--following", str(ours), *options, framerate=2, end=end)
        told = replay(part, theirs, before=before)
        assert ours.read_bytes() == theirs.read_bytes()
        assert clip.result["following"] == told
        before = ours


def test_a_size_that_the_codec_refuses_is_a_failure_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "body").write_bytes(_recording(0))
    options = ["--output", str(tmp_path / "c.mp4"), "--thumbnail", str(tmp_path / "t.jpg")]
    options += ["--width", "20000", "--height", "16", "--framerate", "2", "--bitrate", "1000000"]
    code = render.main(["--input", str(tmp_path / "body"), *options, "--end-timestamp", "2000"])
    assert code == 1
    assert "render: video of 20000x16" in capsys.readouterr().err
