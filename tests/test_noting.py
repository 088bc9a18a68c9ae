"""What a render notes on the way is what a survey finds, and what reading it all at once tells."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import pytest

from kasm_recd.contents import contents_from_json
from kasm_recd.guacamole.contents import summarise
from kasm_recd.guacamole.instructions import Reader, encode
from kasm_recd.workers.replay import replay
from kasm_recd.workers.survey import survey
from tests import mutations
from tests.fixtures_recordings import DATA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.contents import Contents
    from tests.fixtures_render import Rendered

NAMES: Final = sorted(path.stem for path in (DATA / "recordings").glob("*.xz"))
#: Little enough to be quick: what is read does not depend on it.
SMALL: Final = {"size": (64, 48), "framerate": 1}


def read_at_once(body: Path, start: int, preamble: Path | None) -> tuple[Contents, str]:
    """In one piece, as it lies in its recording."""
    opening = preamble.read_bytes() if preamble else b""
    reader = Reader(offset=start - len(opening))
    whole = summarise(chain(reader.feed(opening + body.read_bytes()), reader.close()))
    own = tuple(place for place in whole.damage if place.end > start)
    return replace(whole, damage=own), hashlib.sha256(body.read_bytes()).hexdigest()


def noted(told: dict[str, Any]) -> tuple[Contents, str]:
    return contents_from_json(told["contents"]), told["sha256"]


def check(
    rendered: Callable[..., Rendered], body: Path, start: int, preamble: Path | None
) -> Contents:
    expected = read_at_once(body, start, preamble)
    assert noted(survey(body, start=start, preamble=preamble)) == expected
    options = ("--preamble", str(preamble)) if preamble else ()
    if not expected[0].sync_count:
        return expected[0]  # no clip, and so no answer
    end = expected[0].last_sync or 0
    made = rendered(body, "--survey-from", str(start), *options, **SMALL, end=end)
    assert noted(made.result) == expected
    return expected[0]


@pytest.mark.parametrize("name", NAMES)
def test_of_every_bundled_recording(
    name: str, recordings: Callable[[str], Path], rendered: Callable[..., Rendered]
) -> None:
    assert check(rendered, recordings(name), 0, None).sync_count


@pytest.mark.parametrize("name", ["rdp-desktop.guac", "v155-vnc.guac"])
def test_behind_a_preamble_that_is_longer_than_what_came_before_it_too(
    name: str,
    recordings: Callable[[str], Path],
    rendered: Callable[..., Rendered],
    tmp_path: Path,
) -> None:
    whole = recordings(name).read_bytes()
    for near in (5_000, 200_000):
        start = whole.index(b";", whole.index(b"4.sync,", near)) + 1
        before, preamble, body = (tmp_path / f"{part}-{start}" for part in ("a", "b", "c"))
        before.write_bytes(whole[:start])
        replay(before, preamble)
        body.write_bytes(whole[start : start + 400_000])  # which ends within an instruction
        contents = check(rendered, body, start, preamble)
        assert contents.damage
        assert contents.damage[-1].end == start + body.stat().st_size


@pytest.fixture(scope="module")
def sources() -> list[bytes]:
    return mutations.sources()


@pytest.mark.parametrize("start", [0, 700])
@pytest.mark.parametrize("number", range(12))
def test_of_harmed_recordings(
    number: int,
    start: int,
    sources: list[bytes],
    rendered: Callable[..., Rendered],
    tmp_path: Path,
) -> None:
    body, preamble = tmp_path / "harmed", tmp_path / "preamble"
    body.write_bytes(mutations.mutant(number, sources))
    preamble.write_bytes(encode("size", 0, 64, 48) + b"!" + encode("sync", 1) if start else b"")
    assert check(rendered, body, start, preamble if start else None).surveyed


def test_without_being_asked_nothing_is_told_of_it(
    rendered: Callable[..., Rendered], recordings: Callable[[str], Path]
) -> None:
    assert not {"contents", "sha256"} & rendered(recordings("vnc-idle.guac"), **SMALL).result.keys()
