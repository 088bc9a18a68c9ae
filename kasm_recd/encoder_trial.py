"""Whether this machine can encode as the settings ask, found out by doing it once, small.

A codec may be missing from the library, want a graphics card that is not there, or refuse a preset:
only trying tells. What is out of the box needs no trial.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from kasm_recd import disk, process
from kasm_recd.answers import answer
from kasm_recd.encoder import CLIP_NAME, Video
from kasm_recd.errors import EncoderMissing, Retried
from kasm_recd.log import get_logger
from kasm_recd.probe import told

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.encoder import Picture
    from kasm_recd.process import Limits

log = get_logger(__name__)

HINT: Final = (
    "Choose another video_codec, or correct video_preset and video_quality; "
    "then: systemctl reload kasm-recd"
)


class Trial:
    """The trial of one recorder's codec; ``refusal`` is why the codec is not to be used (yet)."""

    def __init__(self, picture: Picture, *, limits: Limits) -> None:
        """Nothing speaks against the defaults; anything else is refused until it was tried."""
        self._picture = picture
        self._limits = limits
        self.refusal: EncoderMissing | None = None
        if picture.video != Video():
            self.refusal = EncoderMissing(f"{picture.video} is being tried", hint="Ask again.")

    async def run(self, folder: Path) -> None:
        """Makes up its mind, in ``folder``, which it makes and clears."""
        if self.refusal is None:
            return
        try:
            await asyncio.to_thread(folder.mkdir, mode=0o700)
            await self._try(folder)
        except EncoderMissing as error:
            self.refusal = error
        except (Retried, OSError) as error:
            self.refusal = EncoderMissing(
                f"{self._picture.video} cannot be used here: {error}", hint=HINT
            )
        else:
            self.refusal = None
        finally:
            await asyncio.to_thread(disk.clear, folder)
        if self.refusal is None:
            log.info("encoder.tried", video=str(self._picture.video))
        else:
            log.error("encoder.refused", error=str(self.refusal), hint=self.refusal.hint)

    async def _try(self, folder: Path) -> None:
        picture, clip = self._picture, folder / CLIP_NAME
        argv = process.worker_argv(
            *("trial", "--output", str(clip), "--framerate", str(picture.framerate)),
            *("--width", str(picture.width), "--height", str(picture.height)),
            *("--bitrate", str(picture.bitrate), *picture.video.arguments),
        )
        done = await process.run(argv, folder=folder, limits=self._limits, check=True)
        found = told(clip, answer("trial", done.stdout))
        if found.codec != picture.video.makes:
            made = f"{picture.video} made {found.codec}, not {picture.video.makes}"
            raise EncoderMissing(made, hint=HINT)
