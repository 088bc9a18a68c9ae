"""Unsplit against split, rendered by guacenc: it never crashes, and shows the same.

The player is the judge of pixels (see test_preamble_player.py): guacenc compresses what it draws,
and never erases an SSH selection.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import av
import numpy as np
import pytest

from tests import bounded
from tests.splitting import split, syncs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.splitting import Segment

    Frames = dict[int, NDArray[np.uint8]]

SIZES: Final = {
    "v130-vnc.guac": "800x600",
    "reconnect.guac": "1280x720",
    "rdp-desktop.guac": "1280x720",
}
BIT_RATE: Final = 60_000_000  # compression takes less than the 40 dB that are asked for
FRAME_MS: Final = 40
#: A video begins with frames that are compressed more.
SETTLED: Final = 20
LOOKS: Final = 5  # frames of each segment that are compared
NEAR: Final = 3  # frames by which the times of two videos may differ
LIKE_DB: Final = 40.0
#: A pixel that changes by more in the frames nearby is in motion; so much must be without.
STILL_LEVELS: Final = 8
STILL_SHARE: Final = 0.5
DEADLINE_S: Final = 100.0


def _encoded(paths: list[Path], size: str) -> None:
    argv = ["guacenc", "-s", size, "-r", str(BIT_RATE), *map(str, paths)]
    done = bounded.run(argv, said="", deadline_s=DEADLINE_S)
    assert done.returncode == 0, done.stderr[-500:]
    assert "All files encoded successfully" in done.stdout + done.stderr


def _frames(recording: Path, wanted: Collection[int]) -> Frames:
    """The planes of the frames of its video that are wanted, by number."""
    with av.open(f"{recording}.m4v") as container:
        return {
            number: np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)
            for number, frame in enumerate(container.decode(video=0))
            if number in wanted
        }


def _count(recording: Path) -> int:
    with av.open(f"{recording}.m4v") as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def _likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Peak signal to noise ratio, in dB."""
    error = float(np.mean((one.astype(np.float32) - other) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


def _looks(count: int) -> list[int]:
    """Numbers of the frames of a segment that are compared."""
    last = count - 1
    return sorted(
        {SETTLED + (last - SETTLED) * n // (LOOKS - 1) for n in range(LOOKS)} & {*range(count)}
    )


def _compared(shown: Frames, expected: Frames, begin: int, name: str) -> int:
    """How many frames look as they should wherever nothing moves; fails for another."""
    alike = 0
    for number, picture in shown.items():
        around = [begin + number + step for step in range(-NEAR, NEAR + 1)]
        near = np.stack([expected[at] for at in around if at in expected])
        still = np.ptp(near, axis=0) <= STILL_LEVELS
        if still.mean() < STILL_SHARE:
            continue
        likeness = max(_likeness(picture[still], other[still]) for other in near)
        print(f"{name}, frame {number}: {likeness:.1f} dB, {still.mean():.0%} without motion")
        assert np.ptp(picture) > 0, "a picture of one colour"
        assert likeness > LIKE_DB
        alike += 1
    return alike


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_guacenc_shows_segments_as_it_shows_the_whole(
    name: str, recordings: Callable[[str], Path], tmp_path: Path
) -> None:
    if shutil.which("guacenc") is None:
        pytest.skip("NO GUACENC ON PATH: what it makes of segments was not tested")
    whole = tmp_path / name
    shutil.copy(recordings(name), whole)
    first = syncs(whole.read_bytes())[0][1]
    segments = split(whole, tmp_path)
    _encoded([whole, *(segment.path for segment in segments)], SIZES[name])
    begins = [_begin(segment, first) for segment in segments]
    looks = [_looks(_count(segment.path)) for segment in segments]
    wanted = {
        begin + number + step
        for begin, numbers in zip(begins, looks, strict=True)
        for number in numbers
        for step in range(-NEAR, NEAR + 1)
    }
    expected = _frames(whole, wanted)
    assert len(segments) > 1
    alike = [
        _compared(_frames(segment.path, numbers), expected, begin, segment.path.name)
        for segment, begin, numbers in zip(segments, begins, looks, strict=True)
    ]
    print(f"{name}: {alike} frames of each segment are alike")
    assert all(alike), "a segment of which nothing was compared"


def _begin(segment: Segment, first: int) -> int:
    """The frame of the whole video at which ``segment`` begins."""
    return round((segment.timestamps[0] - first) / FRAME_MS)
