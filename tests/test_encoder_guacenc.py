"""guacenc's traps, by a stand-in that falls into each; ffmpeg and ffprobe are the real ones."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kasm_recd.contents import Contents
from kasm_recd.encoder import Clip, Job, Picture
from kasm_recd.encoder_guacenc import GuacencEncoder
from kasm_recd.errors import ClipRejected, DiskFull, EncoderMissing, RecdError, WorkerFailed
from kasm_recd.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.process import ChildId, Limits
    from tests.fixtures_process import Children

    Standin = Callable[..., None]
    MakeJob = Callable[..., Job]


@pytest.fixture
def roomy(roomy: Limits) -> Limits:
    """Without a cage: the stand-ins do what it would not let them."""
    return replace(roomy, cage="off")


@pytest.fixture
def encoder(roomy: Limits, copy_argv: list[str]) -> GuacencEncoder:
    return GuacencEncoder(limits=roomy, mend_argv=copy_argv)


async def test_a_video_becomes_a_checked_clip_with_a_thumbnail(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("good")
    job = make_job()
    children: list[int] = []
    shares: list[float] = []

    async def on_start(child: ChildId) -> None:
        children.append(child.pid)

    clip = await encoder.encode(job, on_start=on_start, on_progress=shares.append)
    assert clip == Clip(
        job.folder / "clip.mp4", job.folder / "thumbnail.jpg", 2_000, 160, 120, "guacenc"
    )
    found = await probe(clip.path)
    assert (found.codec, found.pixel_format, found.faststart) == ("h264", "yuv420p", True)
    assert clip.thumbnail.read_bytes().startswith(b"\xff\xd8\xff")
    assert len(set(children)) == 4  # mend, guacenc, ffmpeg twice
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.05, 1.0)


async def test_colours_are_tagged_bt709_and_are_those_of_the_video(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("good")
    clip = await encoder.encode(make_job())
    tags = _ffprobe(clip.path, "stream=color_space,color_primaries,color_transfer,color_range")
    assert tags == ["tv", "bt709", "bt709", "bt709"]
    of_video = _bars(clip.path.parent / "mended.guac.m4v", "bt601")
    assert _bars(clip.path, "bt709") == pytest.approx(of_video, abs=8)


async def test_the_last_picture_is_held_to_the_end_of_the_recording(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("good")
    clip = await encoder.encode(make_job(end_timestamp=7_500))
    assert clip.duration_ms == 6_500


async def test_mouse_moves_after_the_last_sync_do_not_make_the_clip_longer(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("good", seconds=5.0)
    assert (await encoder.encode(make_job())).duration_ms == 2_000


async def test_a_recording_of_a_single_moment_makes_a_clip_of_one_frame(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("good", seconds=0.04)
    moment = Contents(first_sync=1_000, last_sync=1_000, sync_count=1, width=160, height=120)
    clip = await encoder.encode(make_job(contents=moment, end_timestamp=1_000))
    assert clip.duration_ms == 100


async def test_a_size_of_zero_is_the_size_of_the_display_made_even(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("good")
    clip = await encoder.encode(make_job(picture=Picture(0, 0, 10, 4_000_000)))
    assert (clip.width, clip.height) == (162, 120)


async def test_the_bitrate_is_a_ceiling(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("noise")
    bitrate = 200_000
    job = make_job(picture=Picture(320, 240, 10, bitrate), end_timestamp=7_000)
    clip = await encoder.encode(job)
    ceiling = bitrate * (job.duration_ms / 1000 + 2) / 8  # the buffer holds two seconds
    assert clip.path.stat().st_size < 1.2 * ceiling


@pytest.mark.parametrize(
    ("mode", "error", "said"),
    [
        ("refuses", ClipRejected, r"guacenc: no mended.guac.m4v was made.*encoded successfully"),
        ("empty_file", ClipRejected, "no mended.guac.m4v was made"),
        ("no_index", ClipRejected, r"mended.guac.m4v cannot be played: .*moov atom not found"),
        ("loses_half", ClipRejected, "lost a part: 1000 ms of video for 2000 ms"),
        ("playlist", ClipRejected, "cannot be played"),
        ("link", ClipRejected, "no mended.guac.m4v was made"),
        ("segfault", WorkerFailed, "guacenc failed: killed by SIGSEGV"),
    ],
)
async def test_what_guacenc_gets_wrong_is_noticed(
    mode: str,
    error: type[RecdError],
    said: str,
    encoder: GuacencEncoder,
    standin_guacenc: Standin,
    make_job: MakeJob,
) -> None:
    standin_guacenc(mode)
    with pytest.raises(error, match=said):
        await encoder.encode(make_job())


async def test_a_guacenc_that_fills_the_disk_is_ended_at_the_file_limit(
    roomy: Limits, copy_argv: list[str], standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("fills_the_disk")
    encoder = GuacencEncoder(limits=replace(roomy, file_size=5_000_000), mend_argv=copy_argv)
    job = make_job()
    with pytest.raises(WorkerFailed, match="killed by SIGXFSZ: a file grew past its limit"):
        await encoder.encode(job)
    assert (job.folder / "mended.guac.m4v").stat().st_size == 5_000_000


async def test_an_ffmpeg_that_stops_short_is_noticed(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob, tmp_path: Path
) -> None:
    standin_guacenc("good")
    short = tmp_path / "bin" / "ffmpeg"
    short.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "arguments = ['0.500' if given == '2.000' else given for given in sys.argv[1:]]\n"
        f"os.execv({shutil.which('ffmpeg')!r}, ['ffmpeg', *arguments])\n"
    )
    short.chmod(0o755)
    with pytest.raises(ClipRejected, match="duration is 500 ms, not 2000 ms"):
        await encoder.encode(make_job())


async def test_a_guacenc_that_hangs_is_ended_at_the_deadline(
    roomy: Limits,
    copy_argv: list[str],
    standin_guacenc: Standin,
    make_job: MakeJob,
    new_children: Children,
) -> None:
    standin_guacenc("hangs")
    encoder = GuacencEncoder(limits=replace(roomy, deadline_s=2.0), mend_argv=copy_argv)
    with pytest.raises(WorkerFailed, match=r"2 s"):
        await encoder.encode(make_job())
    assert new_children() == []


async def test_the_deadline_is_for_all_programs_together(
    roomy: Limits, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("hangs")
    slow_copy = "import shutil, sys, time; time.sleep(1.5); shutil.copy(*sys.argv[2::2])"
    encoder = GuacencEncoder(
        limits=replace(roomy, deadline_s=3.0), mend_argv=[sys.executable, "-c", slow_copy]
    )
    with pytest.raises(WorkerFailed, match="guacenc and ffmpeg together took over 3 s"):
        await encoder.encode(make_job())


async def test_cancellation_ends_guacenc(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob, new_children: Children
) -> None:
    standin_guacenc("hangs")
    mended = asyncio.Event()
    task = asyncio.create_task(encoder.encode(make_job(), on_progress=lambda _share: mended.set()))
    await asyncio.wait_for(mended.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert new_children() == []


async def test_a_full_disk_is_said_to_be_one(
    roomy: Limits, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("good")
    full = "open('/dev/full', 'wb', buffering=0).write(b'x')"
    encoder = GuacencEncoder(limits=roomy, mend_argv=[sys.executable, "-c", full])
    with pytest.raises(DiskFull, match="No space left on device"):
        await encoder.encode(make_job())


async def test_the_body_is_never_written_beside(
    encoder: GuacencEncoder, standin_guacenc: Standin, make_job: MakeJob
) -> None:
    standin_guacenc("good")
    job = make_job()
    before = job.body.read_bytes()
    await encoder.encode(job)
    assert job.body.read_bytes() == before
    beside = {path.name for path in job.body.parent.iterdir()}
    assert beside == {"body.guac", "attempt", "bin"}


@pytest.mark.parametrize("missing", ["guacenc", "ffmpeg", "ffprobe"])
def test_a_missing_program_is_named_with_the_way_to_it(
    missing: str, encoder: GuacencEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {"guacenc", "ffmpeg", "ffprobe"} - {missing}:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EncoderMissing, match=f"{missing} is not on PATH") as caught:
        encoder.available()
    assert caught.value.hint


def test_with_all_programs_it_is_available(
    encoder: GuacencEncoder, standin_guacenc: Standin
) -> None:
    standin_guacenc("good")
    encoder.available()


def _ffprobe(path: Path, entries: str) -> list[str]:
    done = subprocess.run(
        [
            *("ffprobe", "-v", "error", "-show_entries", entries),
            *("-of", "default=noprint_wrappers=1:nokey=1", str(path)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def _bars(path: Path, matrix: str) -> list[int]:
    """Red, green and blue in the middle of the first frame's magenta, blue, cyan and green bars."""
    done = subprocess.run(
        [
            *("ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-frames:v", "1"),
            *("-vf", f"scale=in_color_matrix={matrix},format=rgb24", "-f", "rawvideo", "-"),
        ],
        capture_output=True,
        check=True,
    )
    pixels = [20 * 160 + 50, 20 * 160 + 75, 60 * 160 + 30, 20 * 160 + 110]
    return [value for at in pixels for value in done.stdout[3 * at : 3 * at + 3]]
