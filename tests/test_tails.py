"""The last sync of a stretch is told from it alone, or not at all; never wrongly."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasm_recd.guacamole.framing import MAX_BYTES
from kasm_recd.guacamole.instructions import Reader, encode
from kasm_recd.guacamole.tails import DOUBTED, last_sync
from kasm_recd.workers.seams import is_seam

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = 4_370_037
FILLER = encode("blob", 1, "QUJD" * 1_500)
LONG = FILLER * (DOUBTED // len(FILLER) + 2)


def sync(ms: int) -> bytes:
    return encode("sync", NOW + ms, 1)


#: What a user can put into a terminal's title, to look like a sync or to swallow one.
HOSTILE = (
    "vi; make",
    ";4.sync,7.4370099,1.1;",
    "4.sync,7.4370099,1.1;" * 50,
    "4.name,6900." + "x" * 800,
    "x;4.blob,1.1,4000." + "QUJD" * 20,
    "x" * 4_000 + ";4.name,40.",
)
#: Each of a row of them begins in the one before, for who reads from the middle of one: it makes
#: an element of what stands between them, and finds a sync in each.
DECEIT = encode("name", "x;4.sync,7.4370099,1.1;4.name,12.")
BROKEN = (b"4.name,9.\xe6\x97\xa5\xe6;", b"4.blob,1.1,8000.QUJD", b"\0" * 4_096, b"4.syn", b"x")


def stream(seed: int) -> bytes:
    """Frames of a hostile session, some of them damaged."""
    chance = random.Random(seed)
    parts, trouble = [], chance.choice((0.0, 0.02, 0.1))
    for frame in range(chance.randrange(20, 60)):
        parts.append(FILLER * chance.randrange(3))
        if chance.random() < trouble * 2:
            parts.append(encode("name", chance.choice(HOSTILE)) * chance.randrange(1, 30))
        if chance.random() < trouble:
            parts.append(chance.choice(BROKEN))
        if chance.random() < 0.7:
            parts.append(sync(40 * frame))
    return b"".join(parts)


def by_reading(whole: bytes) -> int | None:
    ends = [found.end for found in Reader().feed(whole) if is_seam(found)]
    return ends[-1] if ends else None


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1))
def test_it_is_the_one_that_reading_from_the_beginning_gives_or_none(
    seed: int, share: float
) -> None:
    whole = stream(seed)
    offset = int(len(whole) * share)
    found = last_sync(whole[offset:], offset)
    assert found is None or found.end == by_reading(whole)


def test_in_real_recordings_it_is_told(recordings: Callable[[str], Path]) -> None:
    for name in ("ssh-work.guac", "rdp-desktop.guac", "v155-vnc.guac"):
        whole = recordings(name).read_bytes()
        for share in (0.5, 0.9, 1):
            until = int(len(whole) * share)
            offset = max(0, until - 1_500_000)
            found = last_sync(whole[offset:until], offset)
            assert found is not None, (name, share)
            assert found.end == by_reading(whole[:until])
            assert found.confirmed


@pytest.mark.parametrize("title", HOSTILE)
def test_where_a_title_has_a_semicolon_in_the_first_bytes_nothing_is_told(title: str) -> None:
    rest = LONG + sync(0) + FILLER
    assert last_sync(FILLER + rest, 0) is not None
    told = last_sync(FILLER + encode("name", title) + rest, 0)
    assert (told is None) == (";" in title)


def test_a_row_of_titles_that_read_well_from_their_middle_deceives_nobody() -> None:
    head, row = LONG + sync(0), DECEIT * 4_000
    assert len(row) > 2 * DOUBTED
    whole = head + row
    assert by_reading(whole) == len(head)
    found = last_sync(whole, 0)
    assert found is not None
    assert found.end == len(head)
    for within in range(0, len(DECEIT), 6):
        offset = len(head) + 100 * len(DECEIT) + within
        assert last_sync(whole[offset:], offset) is None


def test_what_a_title_says_later_is_known_to_be_a_title() -> None:
    tail = LONG + sync(0) + encode("name", "x;" + sync(99).decode())
    found = last_sync(tail, 1_000)
    assert found is not None
    expected = (1_000 + len(LONG + sync(0)), NOW, False)
    assert (found.end, found.timestamp, found.confirmed) == expected


def test_what_may_still_be_in_doubt_is_not_told() -> None:
    assert last_sync(FILLER * 9 + sync(0), 0) is None, "damage before it may reach so far"
    assert last_sync(LONG + sync(0), 0) is not None
    assert last_sync(b"x" * MAX_BYTES + LONG + sync(0), 0) is None, "no instruction ends there"
    assert last_sync(LONG + b"4.name,9.;" + sync(0) + LONG + sync(1), 0) is None, "damage"
