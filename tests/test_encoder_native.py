"""What the daemon makes of the render worker: a stand-in does one thing wrong at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kasm_recd import process
from kasm_recd.contents import Contents, Damage, Survey
from kasm_recd.encoder import Clip, Job, Picture
from kasm_recd.encoder_native import NativeEncoder
from kasm_recd.errors import ClipRejected, RecdError, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.process import ChildId, Limits
    from tests.fixtures_process import Children

    MakeJob = Callable[..., Job]
    RenderArgv = Callable[[str], list[str]]


@pytest.fixture
def roomy(roomy: Limits) -> Limits:
    """Without a cage: the stand-ins do what it would not let them."""
    return replace(roomy, cage="off")


async def test_a_rendered_clip_is_checked_and_told_with_its_damage(
    roomy: Limits, render_argv: RenderArgv, make_job: MakeJob
) -> None:
    job = make_job()
    shares: list[float] = []
    children: list[int] = []

    async def on_start(child: ChildId) -> None:
        children.append(child.pid)

    encoder = NativeEncoder(limits=roomy, argv=render_argv("good"))
    clip = await encoder.encode(job, on_start=on_start, on_progress=shares.append)
    damage = Damage(10, 24, "invalid", "a length that is no number")
    assert clip == Clip(
        job.folder / "clip.mp4",
        job.folder / "thumbnail.jpg",
        2_000,
        160,
        120,
        "native",
        (damage,),
        seek_aids={
            "sprites": job.folder / "sprites.jpg",
            "sprite_index": job.folder / "sprites.vtt",
            "activity": job.folder / "activity.json",
        },
    )
    assert shares == [0.25, 0.5, 1.0]
    assert len(children) == 1


async def test_a_size_of_zero_is_asked_for_as_the_displays_own_made_even(
    roomy: Limits, render_argv: RenderArgv, make_job: MakeJob
) -> None:
    job = make_job(picture=Picture(0, 0, 10, 4_000_000))
    clip = await NativeEncoder(limits=roomy, argv=render_argv("good")).encode(job)
    assert (clip.width, clip.height) == (162, 120)


@pytest.mark.parametrize(
    ("mode", "error", "said"),
    [
        ("makes_nothing", ClipRejected, "no clip.mp4 was made"),
        ("linked_clip", ClipRejected, "no clip.mp4 was made"),
        ("wrong_size", ClipRejected, "size is 162x120, not 160x120"),
        ("wrong_codec", ClipRejected, "codec is mpeg4, not h264"),
        ("wrong_pixels", ClipRejected, "pixel format is yuv444p, not yuv420p"),
        ("oblong", ClipRejected, "square pixels is False, not True"),
        ("index_last", ClipRejected, "index first is False, not True"),
        ("half", ClipRejected, r"duration is 1000 ms, not 2000 ms \(± 100 ms\)"),
        ("sound", WorkerFailed, "the finished clip has 2 streams"),
        ("counts_wrong", ClipRejected, "clip.mp4 has 20 pictures, not 21"),
        ("no_probe", WorkerFailed, "does not say what clip.mp4 is: None"),
        ("grows_after", WorkerFailed, r"the worker read \d+ of \d+ bytes of clip.mp4"),
        ("no_thumbnail", ClipRejected, "no thumbnail.jpg was made"),
        ("png_thumbnail", ClipRejected, "thumbnail.jpg is no JPEG"),
        ("no_sprites", ClipRejected, "no sprites.jpg was made"),
        ("bare_index", ClipRejected, "sprites.vtt is no WebVTT file"),
        ("linked_activity", ClipRejected, "no activity.json was made"),
        ("no_result", WorkerFailed, "gave no result"),
        ("list_result", WorkerFailed, r"gave no result, but \[1, 2\]"),
        ("deep_result", WorkerFailed, "gave no result: maximum recursion depth"),
        ("no_damage", WorkerFailed, "does not say what is damaged"),
        ("fails", WorkerFailed, r"failed: exit code 1 \(the display is 0x0\)"),
        ("crashes", WorkerFailed, "failed: killed by SIGKILL"),
    ],
)
async def test_what_the_worker_gets_wrong_is_noticed(
    mode: str,
    error: type[RecdError],
    said: str,
    roomy: Limits,
    render_argv: RenderArgv,
    make_job: MakeJob,
) -> None:
    with pytest.raises(error, match=said):
        await NativeEncoder(limits=roomy, argv=render_argv(mode)).encode(make_job())


async def test_a_survey_that_was_asked_for_and_is_not_told_is_noticed(
    roomy: Limits, render_argv: RenderArgv, make_job: MakeJob
) -> None:
    with pytest.raises(WorkerFailed, match="does not say what it has read: 'contents'"):
        await NativeEncoder(limits=roomy, argv=render_argv("good")).encode(make_job(survey_from=0))


async def test_the_clip_of_what_turned_out_empty_is_not_judged(
    roomy: Limits, render_argv: RenderArgv, make_job: MakeJob
) -> None:
    encoder = NativeEncoder(limits=roomy, argv=render_argv("shows_nothing"))
    clip = await encoder.encode(make_job(survey_from=700))
    assert clip.survey == Survey(Contents(), "ab" * 32)


async def test_a_worker_that_hangs_is_ended_at_the_deadline(
    roomy: Limits, render_argv: RenderArgv, make_job: MakeJob, new_children: Children
) -> None:
    encoder = NativeEncoder(limits=replace(roomy, deadline_s=1.0), argv=render_argv("hangs"))
    with pytest.raises(WorkerFailed, match="ran past its deadline of 1 s"):
        await encoder.encode(make_job())
    assert new_children() == []


async def test_cancellation_ends_the_worker(
    roomy: Limits, render_argv: RenderArgv, make_job: MakeJob, new_children: Children
) -> None:
    encoder = NativeEncoder(limits=roomy, argv=render_argv("hangs"))
    heard = asyncio.Event()
    task = asyncio.create_task(encoder.encode(make_job(), on_progress=lambda _: heard.set()))
    await asyncio.wait_for(heard.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert new_children() == []


async def test_it_needs_no_other_programs(
    roomy: Limits, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.wrapper()  # looked up once; what starts a worker is not meant here
    job = make_job()
    monkeypatch.setenv("PATH", str(job.folder))
    job.body.write_bytes(
        b"4.size,1.0,3.160,3.120;4.rect,1.0,1.0,1.0,2.99,2.99;"
        b"5.cfill,2.14,1.0,3.255,1.0,1.0,3.255;4.sync,4.1000,1.1;4.sync,4.3000,1.1;"
    )
    encoder = NativeEncoder(limits=roomy)
    encoder.available()
    assert (await encoder.encode(job)).duration_ms == 2_000
