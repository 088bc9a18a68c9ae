"""Unsplit against split, judged by the official player: every pixel, and the pointer's picture.

And our own display against the player, at the same moments.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, read
from tests.fixtures_player import Job
from tests.splitting import Segment, split, syncs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_player import Player, Shot

#: Judged together by one browser each: guacd 1.6, 1.5, 1.6; and 1.3, 1.3, 1.6.
BATCHES = (
    ("ssh-work.guac",),
    ("v155-vnc.guac",),
    ("rdp-desktop.guac",),
    ("v130-ssh.guac", "v130-vnc.guac", "vnc-start.guac"),
)


def _looked_at(segment: Segment, sure: set[int]) -> list[int]:
    """Timestamps at the start, in the middle and at the end."""
    stamps = [stamp for stamp in segment.timestamps if stamp in sure]
    return [stamps[0], stamps[len(stamps) // 2], stamps[-1]]


def _sure(timestamps: list[int]) -> set[int]:
    """Those at which the player cannot show another frame: they occur once, in rising order."""
    times = Counter(timestamps)
    rising = {stamp for at, stamp in enumerate(timestamps) if stamp == max(timestamps[: at + 1])}
    return {stamp for stamp in rising if times[stamp] == 1}


def _differing(one: Path, other: Path, shots: tuple[Shot, Shot]) -> int:
    """Pixels; the whole picture where the sizes differ, one at least where any digest does."""
    if shots[0] == shots[1]:
        return 0
    with Image.open(one) as first, Image.open(other) as second:
        if first.size != second.size:
            return first.width * first.height
        pixels = (np.asarray(first.convert("RGBA")), np.asarray(second.convert("RGBA")))
    return max(1, int((pixels[0] != pixels[1]).any(axis=2).sum()))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A recording, whole and split, and the timestamps at which each segment is looked at."""

    whole: Path
    first: int
    segments: list[Segment]
    looked_at: list[list[int]]
    folder: Path

    @property
    def everywhere(self) -> list[int]:
        """All timestamps that are looked at."""
        return sorted({stamp for stamps in self.looked_at for stamp in stamps})


def _prepared(whole: Path, folder: Path) -> tuple[Comparison, list[Job]]:
    """The comparison, and what the player has to show for it: the whole first."""
    folder.mkdir()
    timestamps = [stamp for _, stamp in syncs(whole.read_bytes())]
    segments, sure = split(whole, folder), _sure(timestamps)
    looked_at = [_looked_at(segment, sure) for segment in segments]
    compared = Comparison(whole, timestamps[0], segments, looked_at, folder)
    jobs = [_job(whole, timestamps[0], compared.everywhere, folder / "whole")]
    for number, (segment, stamps) in enumerate(zip(segments, looked_at, strict=True)):
        pictures = folder / f"pictures-{number}"
        jobs.append(_job(segment.path, segment.timestamps[0], stamps, pictures))
    return compared, jobs


def _job(recording: Path, first: int, stamps: list[int], pictures: Path) -> Job:
    pictures.mkdir()
    return Job(recording, tuple(stamp - first for stamp in stamps), pictures)


def _total(compared: Comparison, jobs: list[Job], shots: list[list[Shot]]) -> int:
    """Differing pixels in all pictures of one recording."""
    wanted, total = dict(zip(compared.everywhere, shots[0], strict=True)), 0
    assert all(shot.sha256 for shot in shots[0])
    for job, stamps, shown in zip(jobs[1:], compared.looked_at, shots[1:], strict=True):
        assert job.pictures
        for position, stamp, shot in zip(job.positions, stamps, shown, strict=True):
            one = compared.folder / "whole" / f"{stamp - compared.first}.png"
            differing = _differing(one, job.pictures / f"{position}.png", (wanted[stamp], shot))
            print(f"{job.recording.name} at {position} ms: {differing} pixels differ")
            total += differing
    name, sizes = compared.whole.name, [segment.preamble for segment in compared.segments]
    print(f"{name}: {len(wanted)} positions, {total} differing pixels, preambles {sizes}")
    return total


def _levels(compared: Comparison) -> int:
    """By how much, of 255, any pixel of our own display differs from the player's."""
    display, worst, left = Display(), 0, set(compared.everywhere)
    for found in read([compared.whole.read_bytes()]):
        if not isinstance(found, Instruction):
            continue
        display.apply(found)
        if found.opcode == "sync" and (stamp := int(found.args[0])) in left:
            left.remove(stamp)
            with Image.open(compared.folder / "whole" / f"{stamp - compared.first}.png") as image:
                shown = np.asarray(image.convert("RGB")).astype(int)
            worst = max(worst, int(np.abs(shown - display.picture(pointer=False)).max()))
    assert not left
    assert display.damage == []
    return worst


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("names", BATCHES, ids=" ".join)
def test_the_player_shows_segments_as_it_shows_the_whole(
    names: tuple[str, ...], recordings: Callable[[str], Path], player: Player, tmp_path: Path
) -> None:
    prepared = [_prepared(recordings(name), tmp_path / name) for name in names]
    shots = iter(player.shots([job for _, jobs in prepared for job in jobs]))
    for compared, jobs in prepared:
        assert len(compared.segments) > 1
        assert _total(compared, jobs, [next(shots) for _ in jobs]) == 0
        levels = _levels(compared)
        print(f"{compared.whole.name}: our display differs by at most {levels} levels")
        assert levels == 0
