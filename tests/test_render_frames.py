"""When a frame is due: a pure matter of timestamps and changes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd.guacamole import inks
from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, encode, read
from kasm_recd.workers import frames
from kasm_recd.workers.frames import Clock, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

START = 5_000_000


def _recording(moments: Iterable[int | None]) -> Iterator[Instruction]:
    """A ``sync`` at each moment; the n-th one shows red n. None is a ``sync`` with no change."""
    written, moment = [encode("size", 0, 4, 4)], 0
    for red, wanted in enumerate(moments):
        if wanted is not None:
            moment = wanted
            written += [encode("rect", 0, 0, 0, 4, 4), encode("cfill", 14, 0, red, 0, 0, 255)]
        else:
            moment += 1_000
        written.append(encode("sync", START + moment))
    for found in read(written):
        assert isinstance(found, Instruction)
        yield found


def _frames(
    moments: list[int | None], *, framerate: int = 25, end: int | None = None
) -> list[tuple[int, int]]:
    """(moment, red shown) of each frame."""
    last = max((moment for moment in moments if moment is not None), default=0)
    display, clock = Display(), Clock(START + (last if end is None else end))
    schedule = Schedule(display, clock, framerate=framerate)
    return [
        (moment, int(display.picture()[0, 0, 0])) for moment in schedule.frames(_recording(moments))
    ]


def test_a_frame_stands_at_its_sync_when_there_is_time() -> None:
    assert _frames([0, 100, 350]) == [(0, 0), (100, 1), (350, 2)]


def test_nothing_new_makes_no_frame() -> None:
    assert _frames([0, None, None, None, 5_000, None]) == [(0, 0), (5_000, 4)]


def test_states_that_follow_too_fast_are_skipped_but_the_last_one_is_shown_when_due() -> None:
    assert _frames([0, 10, 20, 30, 500]) == [(0, 0), (40, 3), (500, 4)]


def test_what_is_shown_is_the_state_of_the_last_sync_up_to_then() -> None:
    assert _frames([0, 10, 39, 41, 200]) == [(0, 0), (40, 2), (80, 3), (200, 4)]


def test_several_syncs_at_one_time_make_one_frame_of_the_last() -> None:
    assert _frames([0, 100, 100, 100]) == [(0, 0), (100, 3)]


def test_the_last_state_is_shown_even_where_it_is_not_due_before_the_end() -> None:
    assert _frames([0, 10]) == [(0, 0), (10, 1)]
    assert _frames([0, 10], end=20) == [(0, 0), (20, 1)]
    assert _frames([0, 10], end=10_000) == [(0, 0), (40, 1)]


def test_what_follows_the_last_sync_is_not_shown() -> None:
    display, clock = Display(), Clock(START)
    instructions = [*_recording([0]), *list(_recording([0, 0]))[1:-1]]
    shown = [
        int(display.picture()[0, 0, 0])
        for _ in Schedule(display, clock, framerate=25).frames(instructions[:-1])
    ]
    assert shown == [0]


def test_a_recording_without_a_sync_has_no_frames() -> None:
    assert _frames([]) == []


@pytest.mark.parametrize("framerate", [1, 2, 25, 30, 60])
@given(gaps=st.lists(st.integers(0, 300), max_size=40))
def test_frames_keep_their_distance_and_come_within_an_interval_of_their_sync(
    framerate: int, gaps: list[int]
) -> None:
    moments = [0]
    for gap in gaps:
        moments.append(moments[-1] + gap)
    shown = _frames(list(moments), framerate=framerate)
    for (earlier, _), (later, _) in pairwise(shown[:-1]):
        assert later - earlier >= 1000 / framerate
    for moment, red in shown:
        assert moments[red] <= moment <= moments[red] + 1000 / framerate + 1
    assert shown[-1][1] == len(moments) - 1
    assert [moment for moment, _ in shown] == sorted({moment for moment, _ in shown})


def test_timestamps_that_fall_back_do_not_turn_time_back() -> None:
    assert _frames([0, 500, 470, 600], end=600) == [(0, 0), (500, 2), (600, 3)]


def test_a_timestamp_beyond_the_end_does_not_move_time() -> None:
    clock = Clock(START + 1_000)
    for timestamp, moment in ((0, 0), (100, 100), (80_000_000, 100), (200, 200), (1_001, 200)):
        assert clock.tick(START + timestamp) == moment


def test_a_first_timestamp_that_the_second_contradicts_is_dropped() -> None:
    clock = Clock(START + 1_000)
    assert clock.tick(START + 10**12) == 0
    assert clock.tick(START) == 0
    assert clock.tick(START + 700) == 700
    assert clock.end == 1_000


@pytest.mark.parametrize(("limit", "value"), [("HELD_BYTES", 1_000), ("HELD_INSTRUCTIONS", 100)])
def test_an_endless_stretch_without_a_sync_is_drawn_in_bounded_memory(
    limit: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, limit, value)
    applied: Counter[int] = Counter()
    held = 0

    class Watched(Display):
        def apply(self, instruction: Instruction) -> None:
            applied[instruction.end // 1_000] += 1
            super().apply(instruction)

    def stream() -> Iterator[Instruction]:
        nonlocal held
        begun = list(_recording([0]))
        yield from begun
        fills = b"".join(encode("nop") for _ in range(2_000))
        for given_out, found in enumerate(read([fills]), len(begun)):
            assert isinstance(found, Instruction)
            held = max(held, given_out - applied.total())
            yield found._replace(end=begun[-1].end + found.end)

    for _ in Schedule(Watched(), Clock(START), framerate=25).frames(stream()):
        pass
    assert applied.total() > 1_500
    assert held < 500


def _applied(*written: bytes) -> tuple[Display, list[tuple[int, ...]]]:
    """What is shown at each frame of a red, a green and a blue picture, one a second."""
    display = Display()
    schedule = Schedule(display, Clock(START + 2_000), framerate=25)
    found = [each for each in read(written) if isinstance(each, Instruction)]
    seen = [tuple(map(int, display.picture()[0, 0])) for _ in schedule.frames(found)]
    return display, seen


def _fill(layer: int, *colour: int) -> list[bytes]:
    return [encode("rect", layer, 0, 0, 4, 4), encode("cfill", 14, layer, *colour, 255)]


@pytest.mark.parametrize("buffer", ["-1", "-01", "-0", "0"])
def test_a_frame_shows_nothing_of_what_comes_after_its_sync(buffer: str) -> None:
    """Guacd copies a frame to a buffer right after its ``sync``; only buffers may be early."""
    display, seen = _applied(
        encode("size", 0, 4, 4),
        encode("size", 1, 0, 0),
        *_fill(-2, 0, 0, 200),
        *_fill(0, 200, 0, 0),
        encode("sync", START),
        encode("mouse", 0, 0),
        encode("copy", -2, 0, 0, 4, 4, 14, buffer, 0, 0),
        *_fill(0, 0, 200, 0),
        encode("sync", START + 1_000),
        encode("copy", buffer, 0, 0, 4, 4, 14, 0, 0, 0),
        encode("sync", START + 2_000),
    )
    assert seen[0] == (200, 0, 0)
    assert seen[1] == (0, 200, 0)
    assert display.damage == []


def test_a_note_of_the_last_frame_is_made_before_that_is_painted() -> None:
    """Then nothing is copied for it: the buffer knows what is seen."""
    fills = [_fill(0, red, 0, 0) for red in (10, 20, 30)]
    note = encode("copy", 0, 0, 0, 4, 4, 14, -1, 0, 0)
    written = [encode("size", 0, 4, 4)]
    for second, fill in enumerate(fills):
        written += [*fill, encode("sync", START + 1_000 * second), note]
    with patch.object(inks.Loan, "keep") as keep:
        _, seen = _applied(*written)
        assert [red for red, _, _ in seen] == [10, 20, 30]
    assert keep.call_count == 0
