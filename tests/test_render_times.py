"""When the frames of a real recording's clip stand, and that stretches of nothing cost nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np
import pytest

from kasm_recd.guacamole.contents import summarise
from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, encode, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kasm_recd.guacamole.pixels import Bytes
    from tests.fixtures_render import Rendered

HOUR_MS = 3_600_000
#: Levels over all samples: what differs by more is surely seen in a clip.
TOLD_APART = 10_000


class State(NamedTuple):
    """What the display shows from a ``sync`` on, and when (ms from the first) it began to."""

    since: int
    picture: Bytes


def _states(recording: bytes) -> Iterator[State]:
    """What is new at each ``sync`` that shows anything new."""
    display, first, last = Display(), None, -1
    for found in read([recording]):
        if not isinstance(found, Instruction):
            continue
        display.apply(found)
        if found.opcode == "sync":
            time = int(found.args[0])
            first = time if first is None else first
            if display.version != last:
                last = display.version
                yield State(time - first, display.picture(pointer=False).copy())


def _shown_states(recording: bytes, moments: list[int]) -> Iterator[State]:
    """For each of ``moments`` the state of the last ``sync`` up to then."""
    states = _states(recording)
    shown, following = next(states), next(states, None)
    for moment in moments:
        while following and following.since <= moment:
            shown, following = following, next(states, None)
        yield shown


def _pictures(clip: Path) -> Iterator[Bytes]:
    with av.open(clip) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _apart(one: Bytes, other: Bytes) -> int:
    return int(np.abs(one.astype(np.int16) - other).sum())


@pytest.mark.parametrize("framerate", [25, 2])
@pytest.mark.parametrize("name", ["reconnect.guac.1", "v130-vnc.guac"])
def test_each_frame_stands_within_an_interval_of_the_sync_whose_state_it_shows(
    name: str,
    framerate: int,
    rendered: Callable[..., Rendered],
    recordings: Callable[[str], Path],
) -> None:
    recording = recordings(name).read_bytes()
    last_sync = summarise(read([recording])).last_sync
    clip = rendered(recordings(name), "--no-pointer", framerate=framerate, end=last_sync)
    moments = clip.moments()
    for earlier, later in pairwise(moments[:-1]):
        assert later - earlier >= 1000 / framerate
    before: State | None = None
    told_apart = 0
    for moment, state, picture in zip(
        moments, _shown_states(recording, moments), _pictures(clip.path), strict=True
    ):
        assert state.since <= moment <= state.since + 1000 / framerate + 1
        if before and _apart(before.picture, state.picture) > TOLD_APART:
            assert _apart(picture, state.picture) < _apart(picture, before.picture), moment
            told_apart += 1
        before = state
    assert told_apart > len(moments) // 4


def _drawn(moment: int, grey: int) -> bytes:
    """Another grey in a corner from ``moment`` on."""
    return b"".join(
        (
            encode("rect", 0, 0, 0, 16, 16),
            encode("cfill", 14, 0, grey, grey, grey, 255),
            encode("sync", moment),
        )
    )


def _recording(*moments: int) -> bytes:
    begun = encode("size", 0, 320, 240) + encode("rect", 0, 0, 0, 320, 240)
    begun += encode("cfill", 14, 0, 90, 90, 90, 255)
    return begun + b"".join(_drawn(moment, 5 * at) for at, moment in enumerate(moments))


BUSY = [5_000 + 100 * number for number in range(40)]


@pytest.mark.parametrize(
    ("moments", "lasts_ms"),
    [
        ([*BUSY[:20], *(moment + HOUR_MS for moment in BUSY[20:])], HOUR_MS + 3_900),
        ([*BUSY[:20], 9 * 10**12, *BUSY[21:]], 3_900),
        ([*BUSY[:39], 9 * 10**12], 3_800),
        ([9 * 10**12, *BUSY[1:]], 3_800),
    ],
    ids=["an hour's gap", "far future amid", "far future last", "far future first"],
)
def test_a_gap_and_a_far_future_timestamp_cost_neither_frames_nor_bytes(
    moments: list[int], lasts_ms: int, rendered: Callable[..., Rendered], tmp_path: Path
) -> None:
    cost: dict[str, tuple[int, int]] = {}
    for name, each in (("plain", BUSY), ("stretched", moments)):
        recording = _recording(*each)
        folder = tmp_path / name
        folder.mkdir()
        end = summarise(read([recording])).last_sync
        clip = rendered(recording, "--seek-aids", str(folder), end=end)
        size = clip.path.stat().st_size + sum(path.stat().st_size for path in folder.iterdir())
        cost[name] = (clip.result["frames"], size)
    assert abs(clip.result["duration_ms"] - lasts_ms) <= 100
    frames, size = cost["plain"]
    print(f"{cost}")
    assert cost["stretched"][0] <= frames
    assert cost["stretched"][1] <= size + 2_000
