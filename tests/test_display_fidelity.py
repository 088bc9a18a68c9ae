"""The display against the official player: every bundled reference picture, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kasm_recd.guacamole.pixels import Bytes

#: Pixels that differ from the player's, summed over all reference pictures of a recording.
DIFFERING = {
    "abrupt-midins.guac": 0,
    "rdp-desktop.guac": 0,
    "rdp-failed-login.guac": 0,
    "reconnect.guac": 0,
    "reconnect.guac.1": 0,
    "ssh-idle.guac": 0,
    "ssh-title-9c.guac": 0,
    "ssh-work.guac": 0,
    "v130-ssh.guac": 0,
    "v130-vnc.guac": 0,
    "v155-vnc.guac": 0,
    "vnc-idle.guac": 0,
}


def _instructions(path: Path) -> list[Instruction]:
    return [found for found in read([path.read_bytes()]) if isinstance(found, Instruction)]


def _moments(instructions: list[Instruction]) -> list[int]:
    """Milliseconds from the first ``sync`` of each ``sync``."""
    stamps = [int(i.args[0]) for i in instructions if i.opcode == "sync"]
    return [stamp - stamps[0] for stamp in stamps]


def _shown_at(position: int, moments: list[int]) -> set[int]:
    """Which syncs (by number) the player may show there: between two it may take the later one."""
    before = max(m for m in moments if m <= position)
    after = min((m for m in moments if m > position), default=before)
    return {number for number, moment in enumerate(moments) if moment in (before, after)}


def _pictures(instructions: list[Instruction], wanted: set[int]) -> Iterator[tuple[int, Bytes]]:
    display, number = Display(), 0
    for instruction in instructions:
        display.apply(instruction)
        if instruction.opcode == "sync":
            if number in wanted:
                yield number, display.picture(pointer=False)
            number += 1
    assert display.damage == []
    assert not display.ignored


def _differing(picture: Bytes, reference: Bytes) -> int:
    if picture.shape != reference.shape:
        return len(reference) * len(reference[0])
    return int((picture != reference).any(axis=2).sum())


@pytest.mark.parametrize("name", DIFFERING)
def test_every_picture_is_the_players(
    name: str,
    recordings: Callable[[str], Path],
    reference_index: dict[str, Any],
    reference_folder: Path,
) -> None:
    facts = reference_index[name]
    instructions = _instructions(recordings(name))
    moments = _moments(instructions)
    shots = facts.get("repaired", facts)["shots"]
    candidates = [_shown_at(shot["pos_ms"], moments) for shot in shots]
    pictures = dict(_pictures(instructions, set().union(*candidates)))
    total = 0
    for shot, numbers in zip(shots, candidates, strict=True):
        with Image.open(reference_folder / shot["file"]) as image:
            reference = np.asarray(image.convert("RGB"))
        total += min(_differing(pictures[number], reference) for number in numbers)
    assert shots
    assert total == DIFFERING[name]


def test_every_recording_with_reference_pictures_is_judged(reference_index: dict[str, Any]) -> None:
    assert set(DIFFERING) == set(reference_index)
