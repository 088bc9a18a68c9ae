"""The encoder of guacamole-server, with ffmpeg behind it.

guacenc renders a mended copy of the segment into MPEG-4 Part 2 at 25 frames a second; ffmpeg makes
of it what browsers play. What guacenc cannot be trusted with is checked in between: it answers 0
for a file that it refused, lost half of, or could not finish, so its video must last as long as the
segment's own timestamps say, before ffmpeg holds the last picture and hides the loss.

guacenc fits the display into the set size itself, with square pixels. It converts colours by BT.601
and does not say so; the clip is BT.709 and says so.
"""

from __future__ import annotations

import asyncio
import math
import re
from typing import TYPE_CHECKING, Final

from kasm_recd import process
from kasm_recd.encoder import CLIP_NAME, THUMBNAIL_NAME, Clip
from kasm_recd.errors import ClipRejected, WorkerFailed
from kasm_recd.probe import READ_MP4, check, check_thumbnail, ffprobe, probe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from kasm_recd.encoder import Job
    from kasm_recd.process import ChildId, Finished, Limits

FRAME_MS: Final = 40  # guacenc's own, fixed
ROUNDING_MS: Final = 2 * FRAME_MS  # it may lose one at either end
LEAST_BITRATE: Final = 8_000_000  # of the video in between, which should cost no quality
QUALITY: Final = "23"  # libx264's crf; the set bitrate is a ceiling
KEYFRAME_S: Final = 5
QUIET: Final = ("-nostdin", "-hide_banner", "-v", "error", "-filter_threads", "1")
MENDED, RENDERED, CONVERTED = 0.05, 0.5, 0.98  # shares of the whole, for a progress bar

_TIME: Final = re.compile(r"out_time_us=(\d+)")
_PROGRESS_LINE: Final = re.compile(r"\w+=")


class GuacencEncoder:
    """guacenc on a private mended copy, then ffmpeg."""

    name = "guacenc"

    def __init__(self, *, limits: Limits, mend_argv: Sequence[str] = ()) -> None:
        """``limits`` hold for each program, their deadline for all of them together.

        ``mend_argv`` takes the place of the mending worker in tests.
        """
        self._limits = limits
        self._mend_argv = list(mend_argv) or process.worker_argv("mend")

    def available(self) -> None:
        """Raises EncoderMissing where guacenc, ffmpeg or ffprobe is not on PATH."""
        process.wrapper()
        _guacenc()
        _ffmpeg()
        ffprobe()

    async def encode(
        self,
        job: Job,
        *,
        on_start: Callable[[ChildId], Awaitable[None]] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Clip:
        """As :meth:`kasm_recd.encoder.Encoder.encode`; guacenc itself tells no progress."""
        attempt = _Attempt(job, self._limits, on_start, on_progress or (lambda _share: None))
        deadline = asyncio.timeout(self._limits.deadline_s)
        try:
            async with deadline:
                return await attempt.clip(self._mend_argv)
        except TimeoutError:
            if not deadline.expired():
                raise
            allowed = f"{self._limits.deadline_s:g} s"
            raise WorkerFailed(f"guacenc and ffmpeg together took over {allowed}") from None


class _Attempt:
    """The steps for one job, each a child of its own."""

    def __init__(
        self,
        job: Job,
        limits: Limits,
        on_start: Callable[[ChildId], Awaitable[None]] | None,
        on_progress: Callable[[float], None],
    ) -> None:
        self._job = job
        self._limits = limits
        self._on_start = on_start
        self._on_progress = on_progress

    async def clip(self, mend_argv: Sequence[str]) -> Clip:
        job = self._job
        mended = job.folder / "mended.guac"
        clip, thumbnail = job.folder / CLIP_NAME, job.folder / THUMBNAIL_NAME
        await self._run([*mend_argv, *job.input, "--output", str(mended)])
        self._on_progress(MENDED)
        video = await self._render(mended)
        self._on_progress(RENDERED)
        await self._convert(video, clip)
        found = await probe(clip, cage=self._limits.cage)
        check(found, job, rounding_ms=FRAME_MS)
        await self._make_thumbnail(clip, thumbnail)
        check_thumbnail(thumbnail)
        self._on_progress(1.0)
        return Clip(clip, thumbnail, found.duration_ms, *job.size, GuacencEncoder.name)

    async def _render(self, mended: Path) -> Path:
        """The video that guacenc makes, once it is seen to last as long as the recording."""
        job = self._job
        width, height = job.size
        bitrate = max(job.picture.bitrate, LEAST_BITRATE)
        done = await self._run(
            [_guacenc(), "-s", f"{width}x{height}", "-r", str(bitrate), "-f", mended.name]
        )
        video = mended.with_name(f"{mended.name}.m4v")
        try:
            found = await probe(video, cage=self._limits.cage)
        except ClipRejected as error:
            raise ClipRejected(f"guacenc: {error}; it said: {done.ending}") from error
        played_ms = (job.contents.last_sync or 0) - (job.contents.first_sync or 0)
        if found.duration_ms < played_ms - ROUNDING_MS:
            raise ClipRejected(
                f"guacenc lost a part: {found.duration_ms} ms of video for {played_ms} ms; "
                f"it said: {done.ending}"
            )
        return video

    async def _convert(self, video: Path, clip: Path) -> None:
        """H.264 at the set rate, from the first ``sync`` to the clip's end."""
        job, rate = self._job, self._job.picture.framerate
        seconds = max(job.duration_ms, job.frame_ms) / 1000
        colours = "in_color_matrix=bt601:out_color_matrix=bt709:in_range=tv:out_range=tv"
        filters = (
            f"fps={rate}:eof_action=pass,scale={colours},setsar=1,tpad=stop=-1:stop_mode=clone"
        )

        def heard(line: str) -> bool:
            if time := _TIME.match(line):
                done = min(1.0, int(time[1]) / 1e6 / seconds)
                self._on_progress(RENDERED + (CONVERTED - RENDERED) * done)
            return _PROGRESS_LINE.match(line) is not None

        await self._run(
            [
                *(_ffmpeg(), *QUIET, "-progress", "pipe:2"),
                *("-threads", "1", *READ_MP4, "-ignore_editlist", "1", "-i", str(video)),
                *("-map", "0:v:0", "-vf", filters, "-t", f"{seconds:.3f}"),
                *("-c:v", "libx264", "-preset", "veryfast", "-crf", QUALITY, "-threads", "1"),
                *("-maxrate", str(job.picture.bitrate), "-bufsize", str(2 * job.picture.bitrate)),
                *("-g", str(KEYFRAME_S * rate), "-pix_fmt", "yuv420p", "-color_range", "tv"),
                *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
                *("-movflags", "+faststart", "-f", "mp4", str(clip)),
            ],
            on_stderr_line=heard,
        )

    async def _make_thumbnail(self, clip: Path, thumbnail: Path) -> None:
        """The frame in the middle; JPEG's colours are BT.601 over the full range."""
        job = self._job
        frame = math.floor(job.duration_ms / 2 / job.frame_ms)
        seek_s = max(0.0, (frame - 0.5) * job.frame_ms / 1000)  # just before it
        colours = "in_color_matrix=bt709:out_color_matrix=bt601:in_range=tv:out_range=pc"
        await self._run(
            [
                *(_ffmpeg(), *QUIET, "-threads", "1", *READ_MP4),
                *("-ss", f"{seek_s:.3f}", "-i", str(clip), "-frames:v", "1"),
                *("-vf", f"scale={colours},format=yuvj420p", "-q:v", "4"),
                *("-f", "mjpeg", str(thumbnail)),
            ]
        )

    async def _run(
        self, argv: Sequence[str], on_stderr_line: Callable[[str], bool] | None = None
    ) -> Finished:
        return await process.run(
            argv,
            folder=self._job.folder,
            limits=self._limits,
            on_start=self._on_start,
            on_stderr_line=on_stderr_line,
            check=True,
        )


def _guacenc() -> str:
    hint = "build guacamole-server with its encoder, or set encoder = native"
    return process.find_program("guacenc", hint=hint)


def _ffmpeg() -> str:
    return process.find_program("ffmpeg", hint="apt-get install ffmpeg")
