"""Real recordings through both encoders; guacenc's own part needs a real guacenc on PATH."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import process
from kasm_recd.contents import Contents, contents_from_json
from kasm_recd.encoder import Job, Picture
from kasm_recd.encoder_guacenc import GuacencEncoder
from kasm_recd.encoder_native import NativeEncoder
from kasm_recd.errors import ClipRejected, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from kasm_recd.encoder import Encoder

    MakeJob = Callable[..., Awaitable[Job]]

needs_guacenc = pytest.mark.skipif(
    shutil.which("guacenc") is None, reason="guacenc is not on PATH; only its stand-in was tested"
)
both_encoders = pytest.mark.parametrize(
    "encoder", ["native", pytest.param("guacenc", marks=needs_guacenc)], indirect=True
)
KASM_DEFAULT = Picture(width=720, height=480, framerate=2, bitrate=8_000_000)
HOLD_MS = 1_700


@pytest.fixture
def encoder(request: pytest.FixtureRequest, roomy: process.Limits) -> Encoder:
    encoders: dict[str, Callable[..., Encoder]] = {
        "native": NativeEncoder,
        "guacenc": GuacencEncoder,
    }
    return encoders[request.param](limits=roomy)


@pytest.fixture
def cut(tmp_path: Path, roomy: process.Limits) -> MakeJob:
    """Makes a job for all of a recording, whose last picture is held for a while."""

    async def make(recording: Path, picture: Picture = KASM_DEFAULT) -> Job:
        body, folder = tmp_path / "body.guac", tmp_path / "attempt"
        folder.mkdir(mode=0o700)
        argv = process.worker_argv(
            *("cut", "--input", str(recording), "--start", "0", "--output", str(body))
        )
        done = await process.run(argv, folder=tmp_path, limits=roomy, check=True)
        contents = contents_from_json(json.loads(done.stdout)["contents"])
        assert contents.last_sync is not None
        return Job(body, folder, contents, contents.last_sync + HOLD_MS, picture)

    return make


@both_encoders
@pytest.mark.parametrize(
    "name",
    [
        "abrupt-midins.guac",
        "rdp-failed-login.guac",
        "reconnect.guac.1",
        "ssh-title-9c.guac",
        "vnc-idle.guac",
    ],
)
async def test_a_recording_becomes_a_clip_that_lasts_to_its_end(
    name: str, encoder: Encoder, cut: MakeJob, recordings: Callable[[str], Path]
) -> None:
    job = await cut(recordings(name))
    clip = await encoder.encode(job)
    assert clip.encoder == encoder.name
    assert abs(clip.duration_ms - job.duration_ms) <= job.frame_ms + 40
    assert clip.thumbnail.stat().st_size > 1_000


@needs_guacenc
async def test_without_mending_a_malformed_title_costs_the_rest_and_is_noticed(
    cut: MakeJob,
    recordings: Callable[[str], Path],
    roomy: process.Limits,
    copy_argv: list[str],
) -> None:
    job = await cut(recordings("ssh-title-9c.guac"))
    with pytest.raises(ClipRejected, match=r"lost a part: \d+ ms of video for 33\d\d\d ms"):
        await GuacencEncoder(limits=roomy, mend_argv=copy_argv).encode(job)


@needs_guacenc
async def test_a_lock_on_the_recording_does_not_matter(
    cut: MakeJob, recordings: Callable[[str], Path], roomy: process.Limits
) -> None:
    job = await cut(recordings("vnc-idle.guac"))
    with job.body.open("r+b") as guacd:
        fcntl.lockf(guacd, fcntl.LOCK_EX)
        assert (await GuacencEncoder(limits=roomy).encode(job)).encoder == "guacenc"


def instruction(*elements: object) -> bytes:
    return (",".join(f"{len(str(e))}.{e}" for e in elements) + ";").encode()


@needs_guacenc
async def test_a_recording_with_one_sync_makes_a_clip_of_one_frame(
    make_job: Callable[..., Job], roomy: process.Limits
) -> None:
    moment = Contents(first_sync=1_000, last_sync=1_000, sync_count=1, drawn=True)
    job = make_job(contents=moment, end_timestamp=1_000)
    job.body.write_bytes(
        instruction("size", 0, 160, 120)
        + instruction("rect", 0, 0, 0, 160, 120)
        + instruction("cfill", 14, 0, 0, 0, 255, 255)
        + instruction("sync", 1_000)
    )
    assert (await GuacencEncoder(limits=roomy).encode(job)).duration_ms == 100


@needs_guacenc
async def test_a_gap_that_would_fill_the_disk_ends_at_the_file_limit(
    make_job: Callable[..., Job], roomy: process.Limits
) -> None:
    job = make_job(
        contents=Contents(first_sync=1_000, last_sync=86_401_000, sync_count=2),
        end_timestamp=86_401_000,
    )
    job.body.write_bytes(
        instruction("size", 0, 160, 120)
        + instruction("rect", 0, 0, 0, 160, 120)
        + instruction("cfill", 14, 0, 0, 0, 255, 255)
        + instruction("sync", 1_000)
        + instruction("sync", 86_401_000)
    )
    with pytest.raises(WorkerFailed, match="guacenc failed: killed by SIGXFSZ"):
        await GuacencEncoder(limits=replace(roomy, file_size=1_000_000)).encode(job)


@needs_guacenc
async def test_a_cursor_before_any_size_kills_guacenc_and_is_noticed(
    make_job: Callable[..., Job], roomy: process.Limits
) -> None:
    job = make_job()
    job.body.write_bytes(
        instruction("rect", -1, 0, 0, 8, 8)
        + instruction("cfill", 14, -1, 255, 0, 0, 255)
        + instruction("cursor", 0, 0, -1, 0, 0, 8, 8)
        + instruction("mouse", 4, 4, 0, 1_000)
        + instruction("sync", 1_000)
        + instruction("sync", 3_000)
    )
    with pytest.raises(WorkerFailed, match="guacenc failed: killed by SIGSEGV"):
        await GuacencEncoder(limits=roomy).encode(job)


@both_encoders
async def test_the_pictures_are_those_of_the_official_player(
    encoder: Encoder,
    cut: MakeJob,
    recordings: Callable[[str], Path],
    reference_index: dict[str, Any],
    reference_folder: Path,
) -> None:
    facts = reference_index["v155-vnc.guac"]
    job = await cut(recordings("v155-vnc.guac"), Picture(1280, 720, 25, 8_000_000))
    clip = await encoder.encode(job)
    for shot in facts["shots"]:
        at_ms = shot["pos_ms"] + 40  # within one frame interval
        assert luma_ssim(clip.path, at_ms, reference_folder / shot["file"]) >= 0.97


def luma_ssim(clip: Path, at_ms: int, picture: Path) -> float:
    """Of the frame that stands at ``at_ms``, by ffmpeg; 1.0 is equal."""
    graph = (
        f"[0]fps=25:round=down,select=eq(n\\,{at_ms // 40}),setpts=0,"
        "scale=in_color_matrix=bt709:out_color_matrix=bt709,format=yuv444p[clip];"
        "[1]scale=out_color_matrix=bt709,format=yuv444p[player];[clip][player]ssim"
    )
    done = subprocess.run(
        [
            *("ffmpeg", "-nostdin", "-i", str(clip), "-i", str(picture)),
            *("-lavfi", graph, "-f", "null", "-"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"SSIM Y:([\d.]+)", done.stderr)
    assert found, done.stderr
    return float(found[1])
