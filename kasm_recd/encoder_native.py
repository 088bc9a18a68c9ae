"""The native encoder: one worker reads the segment and writes the clip, without other programs.

The worker (``kasm_recd.workers.render``) holds the display model and the video encoder. Here is
only what the daemon must know: how to ask it, what it answers, and whether the clip is what was
asked for. ffprobe is the judge, not the worker.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from kasm_recd import process
from kasm_recd.encoder import CLIP_NAME, FOLLOWING_NAME, THUMBNAIL_NAME, Clip
from kasm_recd.errors import WorkerFailed
from kasm_recd.manifest import SEEK_AIDS
from kasm_recd.probe import check, check_seek_aids, check_thumbnail, ffprobe, probe
from kasm_recd.segment import Damage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from kasm_recd.encoder import Job
    from kasm_recd.errors import EncoderMissing
    from kasm_recd.process import ChildId, Limits

_PROGRESS: Final = re.compile(r"progress ([01](?:\.\d+)?)$")


class NativeEncoder:
    """Straight from instructions to H.264."""

    name = "native"

    def __init__(
        self,
        *,
        limits: Limits,
        argv: Sequence[str] = (),
        refusal: Callable[[], EncoderMissing | None] = lambda: None,
    ) -> None:
        """``limits`` hold for the worker; ``argv`` takes its place in tests.

        ``refusal`` says what speaks against its codec, if anything does.
        """
        self._refusal = refusal
        self._limits = limits
        self._argv = list(argv) or process.worker_argv("render")

    def available(self) -> None:
        """Raises EncoderMissing without ffprobe, or with a codec that did not pass its trial."""
        refusal = self._refusal()
        if refusal is not None:
            raise refusal
        process.wrapper()
        ffprobe()

    async def encode(
        self,
        job: Job,
        *,
        on_start: Callable[[ChildId], Awaitable[None]] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Clip:
        """As :meth:`kasm_recd.encoder.Encoder.encode`."""
        clip, thumbnail = job.folder / CLIP_NAME, job.folder / THUMBNAIL_NAME
        following = job.folder / FOLLOWING_NAME if job.hand_over else None
        width, height = job.size

        def heard(line: str) -> bool:
            progress = _PROGRESS.match(line)
            if progress and on_progress:
                on_progress(min(1.0, float(progress[1])))
            return progress is not None

        done = await process.run(
            [
                *self._argv,
                *job.input,
                *("--output", str(clip), "--thumbnail", str(thumbnail)),
                *("--seek-aids", str(job.folder)),
                *("--width", str(width), "--height", str(height)),
                *("--framerate", str(job.picture.framerate)),
                *("--bitrate", str(job.picture.bitrate)),
                *("--end-timestamp", str(job.end_timestamp)),
                *job.picture.video.arguments,
                *(("--following", str(following)) if following else ()),
            ],
            folder=job.folder,
            limits=self._limits,
            on_start=on_start,
            on_stderr_line=heard,
            check=True,
        )
        damage = _damage(done.stdout)
        if following and not _is_whole(following, done.stdout):
            raise WorkerFailed("worker render did not write the preamble that it told of")
        found = await probe(clip, cage=self._limits.cage)
        check(found, job, codec=job.picture.video.makes)
        check_thumbnail(thumbnail)
        aids = {role: job.folder / name for role, name in SEEK_AIDS.items()}
        check_seek_aids(aids)
        return Clip(
            clip,
            thumbnail,
            found.duration_ms,
            *(width, height),
            self.name,
            damage,
            following,
            aids,
        )


def _damage(stdout: bytes) -> tuple[Damage, ...]:
    """What the worker's result, one JSON object on its last line, names as damaged."""
    try:
        result = json.loads(stdout.splitlines()[-1])
        return tuple(Damage(**entry) for entry in result["damage"])
    except (ValueError, LookupError, TypeError) as error:
        raise WorkerFailed(f"worker render gave no result: {error}") from error


def _is_whole(following: Path, stdout: bytes) -> bool:
    """Whether the preamble is as long as the worker's result says."""
    try:
        length = json.loads(stdout.splitlines()[-1])["following"]["length"]
    except (ValueError, LookupError, TypeError):
        return False
    return following.is_file() and following.stat().st_size == int(length)
