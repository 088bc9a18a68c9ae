"""The native encoder: one worker reads the segment and writes the clip, without other programs.

The worker (``kasm_recd.workers.render``) holds the display model and the video encoder. Here is
only what the daemon must know: how to ask it, what it answers, and whether the clip is what was
asked for. The worker says what it found when it read the finished file back; the verdict is the
daemon's.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kasm_recd import process, surveying
from kasm_recd.answers import answer
from kasm_recd.contents import Damage
from kasm_recd.encoder import CLIP_NAME, FOLLOWING_NAME, THUMBNAIL_NAME, Clip
from kasm_recd.errors import WorkerFailed
from kasm_recd.manifest import SEEK_AIDS
from kasm_recd.probe import check, check_seek_aids, check_thumbnail, told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
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
        """Raises EncoderMissing with a codec that did not pass its trial."""
        refusal = self._refusal()
        if refusal is not None:
            raise refusal
        process.wrapper()

    async def encode(
        self,
        job: Job,
        *,
        on_start: Callable[[ChildId], Awaitable[None]] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Clip:
        """As :meth:`kasm_recd.encoder.Encoder.encode`."""

        def heard(line: str) -> bool:
            progress = _PROGRESS.match(line)
            if progress and on_progress:
                on_progress(min(1.0, float(progress[1])))
            return progress is not None

        done = await process.run(
            [*self._argv, *_options(job)],
            folder=job.folder,
            limits=self._limits,
            on_start=on_start,
            on_stderr_line=heard,
            check=True,
        )
        return self._checked(job, answer("render", done.stdout))

    def _checked(self, job: Job, result: Mapping[str, Any]) -> Clip:
        """What the worker made; raises WorkerFailed and ClipRejected."""
        clip, thumbnail = job.folder / CLIP_NAME, job.folder / THUMBNAIL_NAME
        following = job.folder / FOLLOWING_NAME if job.hand_over else None
        aids = {role: job.folder / name for role, name in SEEK_AIDS.items()}
        damage = _damage(result)
        if following and not _is_whole(following, result):
            raise WorkerFailed("worker render did not write the preamble that it told of")
        survey = None if job.survey_from is None else surveying.told(result)
        found = told(clip, result)
        if survey is None or not survey.contents.empty:
            known = replace(job, contents=survey.contents) if survey else job
            check(found, known, codec=job.picture.video.makes)
            check_thumbnail(thumbnail)
            check_seek_aids(aids)
        return Clip(
            clip,
            thumbnail,
            found.duration_ms,
            *job.size,
            self.name,
            damage,
            following,
            aids,
            survey,
        )


def _options(job: Job) -> list[str]:
    """What the worker is told."""
    width, height = job.size
    options = {
        "output": job.folder / CLIP_NAME,
        "thumbnail": job.folder / THUMBNAIL_NAME,
        "seek-aids": job.folder,
        "width": width,
        "height": height,
        "framerate": job.picture.framerate,
        "bitrate": job.picture.bitrate,
        "end-timestamp": job.end_timestamp,
    }
    if job.hand_over:
        options["following"] = job.folder / FOLLOWING_NAME
    if job.survey_from is not None:
        options["survey-from"] = job.survey_from
    named = (part for name, value in options.items() for part in (f"--{name}", str(value)))
    return [*job.input, *named, *job.picture.video.arguments]


def _damage(result: Mapping[str, Any]) -> tuple[Damage, ...]:
    """What the worker's result names as damaged."""
    try:
        return tuple(Damage(**entry) for entry in result["damage"])
    except (LookupError, TypeError) as error:
        raise WorkerFailed(f"worker render does not say what is damaged: {error}") from error


def _is_whole(following: Path, result: Mapping[str, Any]) -> bool:
    """Whether the preamble is as long as the worker's result says."""
    try:
        length = int(result["following"]["length"])
    except (ValueError, LookupError, TypeError):
        return False
    return following.is_file() and following.stat().st_size == length
