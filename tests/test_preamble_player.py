"""Unsplit against split, judged by the official player: every pixel, and the pointer's picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kasm_recd.guacamole.instructions import Instruction, read
from kasm_recd.workers.replay import replay
from tests.fixtures_player import Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_player import Player, Shot

SEGMENT_BYTES = 2_000_000
RECORDINGS = ("ssh-work.guac", "v155-vnc.guac", "rdp-desktop.guac")


@dataclass(frozen=True, slots=True)
class Segment:
    """A playable one: preamble and body. Timestamps are those of its syncs, the cut's first."""

    path: Path
    preamble: int  # bytes
    timestamps: tuple[int, ...]


def _syncs(data: bytes) -> list[tuple[int, int]]:
    """(end, timestamp) of each."""
    found = (each for each in read([data]) if isinstance(each, Instruction))
    return [(each.end, int(each.args[0])) for each in found if each.opcode == "sync"]


def _ends(syncs: list[tuple[int, int]], size: int) -> list[int]:
    """Where bodies of at most SEGMENT_BYTES end: after the last ``sync`` that fits."""
    ends = [0]
    for before, (end, _) in zip([(0, 0), *syncs], syncs, strict=False):
        if end - ends[-1] > SEGMENT_BYTES:
            ends.append(before[0])
    return [*ends[1:], size]


def split(recording: Path, folder: Path) -> list[Segment]:
    """``recording`` as segments that each play on their own, in ``folder``."""
    data = recording.read_bytes()
    segments, start, before = [], 0, None
    for number, end in enumerate(_ends(_syncs(data), len(data))):
        body, following = folder / f"{number}.body", folder / f"{number + 1}.preamble"
        body.write_bytes(data[start:end])
        preamble = before.read_bytes() if before else b""
        path = folder / f"{recording.stem}.{number}.guac"
        path.write_bytes(preamble + data[start:end])
        stamps = tuple(stamp for _, stamp in _syncs(path.read_bytes()))
        segments.append(Segment(path, len(preamble), stamps))
        replay(body, following, before=before)
        start, before = end, following
    return segments


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


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", RECORDINGS)
def test_the_player_shows_segments_as_it_shows_the_whole(
    name: str, recordings: Callable[[str], Path], player: Player, tmp_path: Path
) -> None:
    whole = recordings(name)
    timestamps = [stamp for _, stamp in _syncs(whole.read_bytes())]
    segments = split(whole, tmp_path)
    looked_at = [_looked_at(segment, _sure(timestamps)) for segment in segments]
    everywhere = sorted({stamp for stamps in looked_at for stamp in stamps})
    jobs = [_job(whole, timestamps[0], everywhere, tmp_path / "whole")]
    for number, (segment, stamps) in enumerate(zip(segments, looked_at, strict=True)):
        folder = tmp_path / f"pictures-{number}"
        jobs.append(_job(segment.path, segment.timestamps[0], stamps, folder))
    expected, *split_up = player.shots(jobs)
    total, wanted = 0, dict(zip(everywhere, expected, strict=True))
    for job, stamps, shots in zip(jobs[1:], looked_at, split_up, strict=True):
        assert job.pictures
        assert jobs[0].pictures
        for position, stamp, shot in zip(job.positions, stamps, shots, strict=True):
            one = jobs[0].pictures / f"{stamp - timestamps[0]}.png"
            differing = _differing(one, job.pictures / f"{position}.png", (wanted[stamp], shot))
            print(f"{job.recording.name} at {position} ms: {differing} pixels differ")
            total += differing
    sizes = [segment.preamble for segment in segments]
    print(f"{name}: {len(everywhere)} positions, {total} differing pixels, preambles {sizes}")
    assert len(segments) > 1
    assert all(shot.sha256 for shot in expected)
    assert total == 0


def _job(recording: Path, first: int, stamps: list[int], pictures: Path) -> Job:
    pictures.mkdir()
    return Job(recording, tuple(stamp - first for stamp in stamps), pictures)
