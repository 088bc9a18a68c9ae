"""The two ways from a recording to a clip that are compared: ours, and guacenc with ffmpeg."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Final

from bench.costs import weigh_forked
from kasm_recd import process
from kasm_recd.encoder import Job, Picture
from kasm_recd.encoder_native import NativeEncoder
from kasm_recd.file_commands import take_in
from kasm_recd.recorder import worker_limits

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.contents import Contents

BITRATE: Final = 8_000_000  # a ceiling
QUALITY: Final = "23"
LONGEST_S: Final = 3600


def taken_in(recording: Path, folder: Path) -> tuple[Path, Contents]:
    """A copy, and what it holds; not part of either way's cost."""
    folder.mkdir()
    return asyncio.run(take_in(recording, folder))


def mended(body: Path, folder: Path) -> Path:
    """Without what guacenc stumbles over; not part of its cost."""
    target = folder / "mended.guac"
    argv = process.worker_argv("mend", "--input", str(body), "--output", str(target))
    subprocess.run(argv, check=True, capture_output=True, timeout=LONGEST_S)
    return target


def ours(
    body: Path, folder: Path, contents: Contents, picture: Picture, *, pointer: bool = True
) -> Path:
    """The native encoder as the daemon runs it: caged, niced, the clip read back."""
    folder.mkdir()
    argv = process.worker_argv("render", *(() if pointer else ("--no-pointer",)))
    encoder = NativeEncoder(limits=worker_limits(), argv=argv)
    job = Job(body, folder, contents, contents.last_sync or 0, picture)
    return asyncio.run(encoder.encode(job)).path


def ours_forked(
    body: Path, folder: Path, contents: Contents, picture: Picture
) -> tuple[Path, float]:
    """As :func:`ours`, in a daemon whose fork server is there: the clip, and CPU seconds in all."""
    folder.mkdir()
    job = Job(body, folder, contents, contents.last_sync or 0, picture)
    encoder = NativeEncoder(limits=worker_limits())
    clip, cpu_s = weigh_forked(lambda: encoder.encode(job), folder)
    return clip.path, cpu_s


def theirs(body: Path, picture: Picture) -> tuple[Path, Path]:
    """The video of guacenc beside ``body``, and what ffmpeg makes of it for browsers."""
    size = f"{picture.width}x{picture.height}"
    video, clip = body.with_name(f"{body.name}.m4v"), body.with_suffix(".mp4")
    for argv in (
        ["guacenc", "-s", size, "-r", str(BITRATE), "-f", str(body)],
        [
            *("ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", "1", "-i", str(video)),
            *("-r", str(picture.framerate), "-c:v", "libx264", "-preset", "veryfast"),
            *("-crf", QUALITY, "-threads", "1", "-pix_fmt", "yuv420p", "-movflags", "+faststart"),
            str(clip),
        ],
    ):
        subprocess.run(argv, check=True, capture_output=True, timeout=LONGEST_S)
    return video, clip
