"""The recordings that figures are of: the bundled ones, and such played over and over."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DATA: Final = Path("tests/data/recordings")
PACKED: Final = ".xz"
FRAME_MS: Final = 40  # between the end of one turn and the beginning of the next
#: A ``sync``, ``mouse`` or ``key`` up to its timestamp, which guacenc heeds in ``mouse`` too.
_TIMED: Final = re.compile(
    rb"(4\.sync,|5\.mouse,(?:\d+\.-?\d+,){3}|3\.key,(?:\d+\.-?\d+,){2})\d+\.(\d+)"
)


@dataclass(frozen=True, slots=True)
class Length:
    """How long a recording is to be made: until it has both."""

    seconds: float = 0.0
    size: int = 0


def bundled() -> list[str]:
    """Names of all that are bundled."""
    return sorted(path.name.removesuffix(PACKED) for path in DATA.glob(f"*{PACKED}"))


def unpacked(recording: str | Path, folder: Path) -> Path:
    """A bundled recording by its name, or any by its path (``.xz``, ``.zst`` or plain)."""
    packed = DATA / f"{recording}{PACKED}" if isinstance(recording, str) else recording
    plain = packed.suffix not in (PACKED, ".zst")
    target = folder / (packed.name if plain else packed.stem)
    if plain:
        shutil.copyfile(packed, target)
    elif packed.suffix == PACKED:
        target.write_bytes(lzma.decompress(packed.read_bytes()))
    else:
        subprocess.run(["zstd", "-q", "-d", "-f", packed, "-o", target], check=True)
    return target


def seconds_of(recording: Path) -> float:
    """From the first ``sync`` to the last."""
    times = _times(recording.read_bytes())
    return (times[-1] - times[0]) / 1000


def repeated(recording: Path, target: Path, length: Length) -> Path:
    """The whole recording again and again, its times moved on each time.

    The display of the second turn begins as the first left it, and is drawn over as a
    reconnecting guacd would: such a recording plays without damage if one turn of it does.
    """
    whole = recording.read_bytes()
    times = _times(whole)
    lasts_ms = times[-1] - times[0] + FRAME_MS
    turns = max(1, round(1000 * length.seconds / lasts_ms), -(-length.size // len(whole)))
    with target.open("wb") as file:
        for turn in range(turns):
            file.write(_moved(whole, turn * lasts_ms))
    return target


def _moved(whole: bytes, by_ms: int) -> bytes:
    def later(found: re.Match[bytes]) -> bytes:
        time = int(found[2]) + by_ms
        return b"%b%d.%d" % (found[1], len(str(time)), time)

    return _TIMED.sub(later, whole)


def _times(whole: bytes) -> list[int]:
    """Of each ``sync``, in milliseconds."""
    return [int(found[2]) for found in _TIMED.finditer(whole) if found[1] == b"4.sync,"]
