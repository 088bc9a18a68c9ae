"""Try a codec: a second of test picture, encoded as the clips of these settings will be.

``python -I -m kasm_recd.workers.trial --output CLIP.mp4 --width … --codec …`` writes a small clip
and prints its frames and what it turned out to be, or says on stderr why this machine cannot make
it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from kasm_recd.errors import WorkerFailed
from kasm_recd.guacamole.geometry import Rect
from kasm_recd.workers.codecs import CODECS
from kasm_recd.workers.program import answer
from kasm_recd.workers.reading_back import read_back
from kasm_recd.workers.video import Clip, Coding

MOMENTS = (0, 500, 1_000)
END = 1_500


def trial(options: argparse.Namespace) -> dict[str, Any]:
    """Make the clip; raises WorkerFailed, with the library's reason, where that cannot be done."""
    width, height = options.width or 640, options.height or 480
    coding = Coding(
        bitrate=options.bitrate,
        codec=options.codec,
        preset=options.preset,
        quality=options.quality,
    )
    try:
        clip = Clip(
            options.output, width=width, height=height, framerate=options.framerate, coding=coding
        )
        for number, moment in enumerate(MOMENTS):
            picture = np.full((height, width), 0xFF000000 + 0x305070 * number, np.uint32)
            clip.show(picture, [Rect(0, 0, width, height)], moment)
        clip.close(END)
    except (FFmpegError, UnknownCodecError) as error:
        raise WorkerFailed(f"FFmpeg says: {error}") from error
    return {"frames": clip.frames, "probe": read_back(options.output)}


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="trial")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--framerate", type=int, required=True)
    parser.add_argument("--bitrate", type=int, required=True)
    parser.add_argument("--codec", choices=CODECS, required=True)
    parser.add_argument("--preset", default="")
    parser.add_argument("--quality", type=int, default=0)
    options = parser.parse_args()
    return answer("trial", lambda: trial(options))


if __name__ == "__main__":
    sys.exit(main())
