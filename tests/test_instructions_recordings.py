"""The bundled recordings, to the last instruction."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.contents import Damage
from kasm_recd.guacamole.contents import summarise
from kasm_recd.guacamole.instructions import Instruction, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOUND = [
    "ssh-work.guac",
    "rdp-desktop.guac",
    "v155-vnc.guac",
    "reconnect.guac",
    "reconnect.guac.1",
    "ssh-idle.guac",
    "v130-ssh.guac",
    "v130-vnc.guac",
    "vnc-idle.guac",
    "rdp-failed-login.guac",
]
TITLE = (135_736, 135_750)


def read_file(path: Path, size: int = 65_536) -> Iterator[Instruction | Damage]:
    with path.open("rb") as file:
        yield from read(iter(lambda: file.read(size), b""))


def counted(stream: list[Instruction | Damage]) -> Counter[str]:
    return Counter(found.opcode for found in stream if isinstance(found, Instruction))


@pytest.mark.parametrize("name", SOUND)
def test_sound_recordings_are_read_whole(
    recordings: Callable[[str], Path], reference_index: dict[str, Any], name: str
) -> None:
    facts = reference_index[name]
    found = list(read_file(recordings(name)))
    assert counted(found) == facts["opcodes"]
    assert found[-1].end == facts["bytes"]
    contents = summarise(found)
    assert contents.damage == ()
    assert not contents.empty
    assert (contents.first_sync, contents.last_sync) == (facts["first_sync"], facts["last_sync"])
    assert contents.sync_count == facts["sync_count"]
    first = facts["shots"][0]
    assert (contents.width, contents.height) == (first["width"], first["height"])


def test_a_recording_that_ends_inside_an_instruction_is_read_up_to_it(
    recordings: Callable[[str], Path], reference_index: dict[str, Any]
) -> None:
    facts = reference_index["abrupt-midins.guac"]
    found = list(read_file(recordings("abrupt-midins.guac")))
    assert counted(found) == facts["opcodes"]
    contents = summarise(found)
    assert contents.last_sync == facts["last_sync"]
    (torn,) = contents.damage
    assert (torn.start, torn.end) == (facts["parse_stops"]["offset"], facts["bytes"])
    assert torn.kind == "torn"


def test_after_a_broken_title_everything_comes_through(
    recordings: Callable[[str], Path], reference_index: dict[str, Any]
) -> None:
    facts = reference_index["ssh-title-9c.guac"]
    found = list(read_file(recordings("ssh-title-9c.guac")))
    contents = summarise(found)
    title, doubt = contents.damage
    (removed,) = facts["repaired"]["removed"]
    assert (title.start, title.end, title.kind) == (*TITLE, "invalid")
    assert title.end - title.start == removed["bytes"]
    assert contents.sync_count == facts["repaired"]["sync_count"]
    assert contents.last_sync == facts["repaired"]["last_sync"]

    following = [item for item in found if isinstance(item, Instruction) and item.start >= TITLE[1]]
    first_sync = next(n for n, item in enumerate(following) if item.opcode == "sync")
    assert [item.doubtful for item in following] == [n < first_sync for n in range(len(following))]
    assert (doubt.start, doubt.end) == (TITLE[1], following[first_sync].start)


@pytest.mark.parametrize("size", [1_000_000, 8_192, 997])
def test_pieces_of_any_size_give_the_same(recordings: Callable[[str], Path], size: int) -> None:
    for name in ("ssh-title-9c.guac", "abrupt-midins.guac"):
        path = recordings(name)
        assert list(read_file(path, size)) == list(read_file(path))


def test_a_recording_with_a_hole_at_every_page_loses_only_what_was_there(
    recordings: Callable[[str], Path],
) -> None:
    content = bytearray(recordings("rdp-desktop.guac").read_bytes())
    whole = {item.start for item in read([bytes(content)]) if isinstance(item, Instruction)}
    holes = range(100_000, len(content), 500_000)
    for hole in holes:
        content[hole : hole + 4_096] = bytes(4_096)
    found = list(read([bytes(content)]))
    kept = {item.start for item in found if isinstance(item, Instruction)}
    damage = [item for item in found if isinstance(item, Damage)]
    assert kept <= whole
    assert len(damage) == len(holes)
    lost = whole - kept
    assert all(any(place.start <= start < place.end for place in damage) for start in lost)
    assert all(place.end - place.start < 4_096 + 2 * 8_192 for place in damage)
