"""A codec that the settings ask for is tried before it is trusted with recordings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kasm_recd.encoder import CODECS, Picture, Video
from kasm_recd.encoder_native import NativeEncoder
from kasm_recd.encoder_trial import Trial
from kasm_recd.errors import EncoderMissing
from kasm_recd.workers import codecs
from tests.fixtures_daemon import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.encoder import Job
    from kasm_recd.process import Limits
    from tests.fixtures_daemon import DaemonProcess


def _trial(limits: Limits, *video: str | int) -> Trial:
    return Trial(Picture(320, 240, 2, 1_000_000, Video(*video)), limits=limits)  # type: ignore[arg-type]


def test_the_defaults_need_no_trial(roomy: Limits, tmp_path: Path) -> None:
    trial = _trial(roomy)
    assert trial.refusal is None
    asyncio.run(trial.run(tmp_path / "trial"))
    assert trial.refusal is None


async def test_a_codec_is_refused_until_it_has_made_a_clip(roomy: Limits, tmp_path: Path) -> None:
    trial = _trial(roomy, "libx265", "ultrafast", 30)
    encoder = NativeEncoder(limits=roomy, refusal=lambda: trial.refusal)
    with pytest.raises(EncoderMissing, match="is being tried"):
        encoder.available()
    await trial.run(tmp_path / "trial")
    encoder.available()
    assert not (tmp_path / "trial").exists()


@pytest.mark.parametrize(
    ("video", "said"),
    [
        (("libx264", "nonsense"), "video_preset = nonsense cannot be used here: .*FFmpeg says"),
        (("libx264", "", 60), "quality 60 is not from 1 to 51, as libx264 counts it"),
    ],
)
async def test_what_cannot_be_made_is_refused_in_words(
    video: tuple[str, ...], said: str, roomy: Limits, tmp_path: Path
) -> None:
    trial = _trial(roomy, *video)
    await trial.run(tmp_path / "trial")
    with pytest.raises(EncoderMissing, match=said):
        NativeEncoder(limits=roomy, refusal=lambda: trial.refusal).available()
    assert not (tmp_path / "trial").exists()


async def test_a_clip_in_another_codec_is_probed_as_such(
    roomy: Limits, make_job: Callable[..., Job]
) -> None:
    picture = Picture(320, 240, 2, 1_000_000, Video("libsvtav1"))
    job = make_job(picture=picture)
    job.body.write_bytes(
        b"4.size,1.0,3.320,3.240;4.rect,1.0,1.0,1.0,2.99,2.99;"
        b"5.cfill,2.14,1.0,3.255,1.0,1.0,3.255;4.sync,4.1000,1.1;4.sync,4.3000,1.1;"
    )
    clip = await NativeEncoder(limits=roomy).encode(job)
    assert clip.duration_ms == 2_000


def test_the_daemon_and_its_workers_know_the_same_codecs() -> None:
    assert codecs.CODECS.keys() == CODECS.keys()
    assert Video().codec == codecs.DEFAULT_CODEC


def test_admission_refuses_while_the_codec_does_not_work(
    make_daemon: Callable[..., DaemonProcess],
) -> None:
    daemon = make_daemon(video_preset="nonsense").start(wait=False)
    wait_until(lambda: daemon.events("encoder.refused") != [], "the codec was tried")
    wait_until(
        lambda: "cannot be used here" in daemon.admit("k-1")[1].get("message", ""),
        "admission knows",
    )
    code, answer = daemon.admit("k-2")
    assert code != 200
    assert answer["reason"] == "encoder_missing"
    assert "video_preset = nonsense" in answer["message"]
    assert daemon.stop() == 0
