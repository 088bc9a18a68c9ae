"""A stand-in for the render worker: ``render.py MODE ARGUMENTS-OF-RENDER``.

Makes a test picture with ffmpeg at the size, rate and length it was asked for, reads it back as the
real one does, and does one thing wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kasm_recd.errors import WorkerFailed
from kasm_recd.workers.reading_back import read_back

FIRST_SYNC = 1_000
DAMAGE = {"start": 10, "end": 24, "kind": "invalid", "reason": "a length that is no number"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    for name in ("input", "output", "thumbnail", "seek-aids"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("width", "height", "framerate", "bitrate", "end-timestamp"):
        parser.add_argument(f"--{name}", type=int, required=True)
    return parser.parse_known_args()[0]


def ffmpeg(*arguments: object) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def make(wanted: argparse.Namespace) -> None:
    mode = wanted.mode
    width = wanted.width + (2 if mode == "wrong_size" else 0)
    seconds = (wanted.end_timestamp - FIRST_SYNC) / 1000 * (0.5 if mode == "half" else 1)
    source = f"testsrc=size={width}x{wanted.height}:rate={wanted.framerate}:duration={seconds}"
    inputs = ["-f", "lavfi", "-i", source]
    if mode == "sound":
        inputs += ["-f", "lavfi", "-i", f"sine=duration={seconds}"]
    ffmpeg(
        *inputs,
        *("-c:v", "mpeg4" if mode == "wrong_codec" else "libx264", "-preset", "ultrafast"),
        *("-pix_fmt", "yuv444p" if mode == "wrong_pixels" else "yuv420p"),
        *("-vf", "setsar=4/3" if mode == "oblong" else "setsar=1"),
        *(() if mode == "index_last" else ("-movflags", "+faststart")),
        *("-f", "mp4", wanted.output),
    )
    if mode != "no_thumbnail":
        ffmpeg("-i", wanted.output, "-frames:v", 1, "-f", "mjpeg", wanted.thumbnail)


def make_seek_aids(wanted: argparse.Namespace) -> None:
    folder = wanted.seek_aids
    if wanted.mode != "no_sprites":
        (folder / "sprites.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "sprites.vtt").write_text("00:00" if wanted.mode == "bare_index" else "WEBVTT\n")
    if wanted.mode == "linked_activity":
        (folder / "activity.json").symlink_to(wanted.input)
    else:
        (folder / "activity.json").write_text('{"format":1}')


def result(wanted: argparse.Namespace) -> dict[str, Any]:
    if wanted.mode == "makes_nothing":
        return {"damage": [DAMAGE]}
    try:
        found = read_back(wanted.output)
    except WorkerFailed as error:
        sys.exit(str(error))
    match wanted.mode:
        case "counts_wrong":
            return {"frames": found["pictures"] + 1, "damage": [DAMAGE], "probe": found}
        case "no_probe":
            return {"frames": found["pictures"], "damage": [DAMAGE]}
        case "no_damage":
            return {"frames": found["pictures"], "probe": found}
        case "grows_after":
            with wanted.output.open("ab") as file:
                file.write(b"more")
        case "shows_nothing":
            wanted.thumbnail.unlink()
            survey = {"contents": {"sync_count": 0}, "sha256": "ab" * 32}
            return {"frames": found["pictures"], "damage": [], "probe": found, **survey}
    return {"frames": found["pictures"], "damage": [DAMAGE], "probe": found}


def printed(wanted: argparse.Namespace) -> str:
    match wanted.mode:
        case "no_result":
            return "no result"
        case "list_result":
            return "[1, 2]"
        case "deep_result":
            return "[" * 100_000
    return json.dumps(result(wanted))


def main() -> None:
    wanted = arguments()
    assert wanted.input.is_file()
    print("progress 0.25\nprogress 0.5", file=sys.stderr, flush=True)
    match wanted.mode:
        case "hangs":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        case "crashes":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fails":
            sys.exit("the display is 0x0")
        case "makes_nothing":
            pass
        case _:
            make(wanted)
            make_seek_aids(wanted)
    told = printed(wanted)
    match wanted.mode:
        case "png_thumbnail":
            wanted.thumbnail.write_bytes(b"\x89PNG\r\n\x1a\n")
        case "linked_clip":
            wanted.output.rename(elsewhere := wanted.output.with_name("elsewhere"))
            wanted.output.symlink_to(elsewhere)
    print("progress 1.0", file=sys.stderr)
    print(told)


main()
