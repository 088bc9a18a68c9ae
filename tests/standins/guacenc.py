"""A stand-in for guacenc with its known traps: ``guacenc.py MODE SECONDS ARGUMENTS-OF-GUACENC``.

Like the real one it writes ``<input>.m4v``, MPEG-4 Part 2 at 25 frames a second, and says that all
went well and exits with 0 whatever happened.
"""

from __future__ import annotations

import getopt
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

NOISE = ",noise=alls=100:allf=t"


def video(path: Path, size: str, seconds: float, *, extra: str = "") -> None:
    source = f"testsrc=size={size}:rate=25,trim=duration={seconds}{extra}"
    subprocess.run(
        [
            *("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source),
            *("-c:v", "mpeg4", "-q:v", "4", "-f", "mp4", str(path)),
        ],
        check=True,
    )


def make(mode: str, seconds: float, size: str, output: Path) -> None:
    """What a guacenc that comes to its end leaves behind."""
    match mode:
        case "refuses":
            print("guacenc: WARNING: Refusing to encode in-progress recording", file=sys.stderr)
        case "noise":
            video(output, size, seconds, extra=NOISE)
        case "loses_half":
            print("guacenc: ERROR: Protocol violation", file=sys.stderr)
            video(output, size, seconds / 2)
        case "empty_file":
            output.touch()
        case "no_index":  # as on a full disk
            video(output, size, seconds)
            whole = output.read_bytes()
            output.write_bytes(whole[: whole.index(b"moov") - 4])
        case "playlist":
            output.write_text(f"#EXTM3U\n#EXTINF:{seconds},\n{sys.argv[0]}\n#EXT-X-ENDLIST\n")
        case "link":
            video(elsewhere := output.with_name("elsewhere"), size, seconds)
            output.symlink_to(elsewhere)
        case _:
            video(output, size, seconds)


def come_to_grief(mode: str, output: Path) -> None:
    """The modes in which it does not come to its end."""
    match mode:
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "fills_the_disk":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            with output.open("wb") as file:
                while True:
                    file.write(bytes(1024 * 1024))
        case "hangs":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)


def main() -> None:
    mode, seconds, *arguments = sys.argv[1:]
    options, files = getopt.getopt(arguments, "s:r:f")
    given = dict(options)
    for name in files:
        output = Path(f"{name}.m4v")
        come_to_grief(mode, output)
        unforced = "-f" not in given  # every recording is taken to be locked
        make("refuses" if unforced else mode, float(seconds), given["-s"], output)
    print("guacenc: INFO: All files encoded successfully.", file=sys.stderr)


main()
