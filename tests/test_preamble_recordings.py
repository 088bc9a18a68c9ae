"""Real recordings cut at several syncs: what follows a preamble is what follows everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kasm_recd.guacamole import preamble
from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, read
from tests.display_state import differences
from tests.test_display_fidelity import DIFFERING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.guacamole.pixels import Bytes

#: Of what a recording has synced, the shares at which it is cut and those at which it is looked at.
CUTS = (0.01, 0.3, 0.7)
LOOKS = (0.02, 0.1, 0.35, 0.5, 0.75, 0.9, 1.0)

#: Cut so often, one preamble after the other.
CHAINED = 8
#: The largest preamble of each recording, in bytes: what an earlier sketch of this had, or less.
SIZES = {"ssh-work.guac": 247_000, "v155-vnc.guac": 320_000, "rdp-desktop.guac": 820_000}


def _told(instructions: list[bytes]) -> Display:
    display = Display()
    for found in read(instructions):
        assert isinstance(found, Instruction)
        display.apply(found)
    assert display.damage == []
    return display


def _differing(one: Bytes, other: Bytes) -> int:
    return int((one != other).any(axis=2).sum())


@pytest.mark.parametrize("name", DIFFERING)
def test_a_cut_is_never_seen(name: str, recordings: Callable[[str], Path]) -> None:
    found = read([recordings(name).read_bytes()])
    instructions = [each for each in found if isinstance(each, Instruction)]
    syncs = [at for at, each in enumerate(instructions) if each.opcode == "sync"]
    cuts, looks = ({syncs[int(share * (len(syncs) - 1))] for share in at} for at in (CUTS, LOOKS))
    whole, resumed, largest, differing = Display(), list[Display](), 0, 0
    for at, instruction in enumerate(instructions):
        for display in (whole, *resumed):
            display.apply(instruction)
        if at in looks:
            picture = whole.picture()
            differing += sum(_differing(picture, display.picture()) for display in resumed)
        if at in cuts:
            written = list(preamble.write(whole, instruction.args))
            resumed.append(_told(written))
            largest = max(largest, sum(map(len, written)))
            assert list(preamble.write(resumed[-1], instruction.args)) == written
    assert differing == 0
    assert [differences(whole, display) for display in resumed] == [[]] * len(resumed)
    print(f"{name}: the largest preamble has {largest} bytes")
    assert largest < SIZES.get(name, 280_000)


@pytest.mark.parametrize("name", SIZES)
def test_a_preamble_after_preambles_is_the_one_after_everything(
    name: str, recordings: Callable[[str], Path]
) -> None:
    found = read([recordings(name).read_bytes()])
    instructions = [each for each in found if isinstance(each, Instruction)]
    syncs = [at for at, each in enumerate(instructions) if each.opcode == "sync"]
    cuts = {syncs[(len(syncs) - 1) * number // CHAINED] for number in range(1, CHAINED + 1)}
    whole, chained, sizes = Display(), Display(), list[int]()
    for at, instruction in enumerate(instructions):
        whole.apply(instruction)
        chained.apply(instruction)
        if at in cuts:
            written = list(preamble.write(whole, instruction.args))
            assert list(preamble.write(chained, instruction.args)) == written
            chained = _told(written)
            sizes.append(sum(map(len, written)))
    print(f"{name}: preambles of {sizes} bytes")
    assert len(sizes) == CHAINED
    assert max(sizes) < SIZES[name]
