"""Cutting with limits: after a sync where there is one, and never in an instruction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.contents import contents_from_json
from kasm_recd.guacamole.contents import summarise
from kasm_recd.guacamole.instructions import Instruction, encode, read
from kasm_recd.workers import seams
from kasm_recd.workers.bounds import Limits
from kasm_recd.workers.cut import cut
from tests.test_worker_cut import run

if TYPE_CHECKING:
    from pathlib import Path

Cutting = Callable[..., tuple[bytes, dict[str, Any]]]

SIZE = encode("size", 0, 640, 480)
FILL = encode("rect", 0, 0, 0, 9, 9) + encode("cfill", 14, 0, 1, 2, 3, 255)


def sync(ms: int) -> bytes:
    return encode("sync", 1_000_000 + ms, 1)


def filler(length: int) -> bytes:
    """Instructions of so many bytes in all."""
    return encode("blob", 1, "A" * (length - len(encode("blob", 1, "A" * 100)) + 100))


@pytest.fixture
def cut_of(tmp_path: Path) -> Cutting:
    """``cut_of(content, wanted, hard, start=0, **more)``: the body and the result."""

    def make(
        content: bytes, wanted: int, hard: int, *, start: int = 0, **more: Any
    ) -> tuple[bytes, dict[str, Any]]:
        recording, body = tmp_path / "recording", tmp_path / "body"
        recording.write_bytes(content)
        body.unlink(missing_ok=True)
        limits = Limits(wanted, hard)
        found = cut(recording, body, start=start, limits=limits, **more)
        assert found["length"] == len(body.read_bytes())
        assert found["sha256"] == hashlib.sha256(body.read_bytes()).hexdigest()
        assert found["more"] == (start + found["length"] < len(content))
        return body.read_bytes(), found

    return make


def test_a_body_ends_after_the_last_sync_within_the_limit(cut_of: Cutting) -> None:
    first = SIZE + FILL + sync(0) + FILL + sync(40)
    body, found = cut_of(first + FILL + FILL + sync(80), len(first) + len(FILL), 10_000)
    assert body == first
    assert (found["timestamp"], found["newest_sync"]) == (1_000_040, 1_000_080)
    assert found["contents"]["damage"] == []
    assert contents_from_json(found["contents"]) == summarise(read([first]))


def test_a_sync_that_ends_at_the_limit_is_within_it(cut_of: Cutting) -> None:
    first = SIZE + sync(0)
    for limit, damaged in ((len(first), False), (len(first) - 1, True)):
        body, found = cut_of(first + FILL + sync(1), limit, 10_000)
        assert body == first
        assert bool(found["contents"]["damage"]) == damaged


def test_where_none_is_within_the_limit_the_first_one_beyond_is_taken_and_named(
    cut_of: Cutting,
) -> None:
    first = SIZE + filler(500) + sync(0)
    body, found = cut_of(first + sync(1) + FILL, 100, 10_000)
    assert body == first
    (damage,) = found["contents"]["damage"]
    assert (damage["start"], damage["end"], damage["kind"]) == (100, len(first), "oversize")


def test_at_the_hard_limit_it_is_cut_at_an_instructions_end(cut_of: Cutting) -> None:
    content = SIZE + filler(500) + filler(500) + filler(500) + sync(0)
    body, found = cut_of(content, 600, 1_200)
    assert body == SIZE + filler(500) + filler(500)
    (damage,) = found["contents"]["damage"]
    assert (damage["end"], damage["kind"]) == (len(body), "oversize")
    assert "1200 bytes" in damage["reason"]


def test_what_never_was_an_instruction_is_cut_at_the_hard_limit(cut_of: Cutting) -> None:
    body, found = cut_of(b"x" * 5_000, 600, 1_200)
    assert len(body) == 1_200
    assert [place["kind"] for place in found["contents"]["damage"]] == ["invalid", "oversize"]


def test_without_a_sync_there_is_nothing_to_cut_yet(cut_of: Cutting) -> None:
    body, found = cut_of(SIZE + FILL, 10, 10_000)
    assert body == b""
    assert found["more"]
    assert found["timestamp"] is None


def test_a_sync_that_may_be_a_users_is_no_place_to_cut(cut_of: Cutting) -> None:
    """What follows a broken instruction may come from a terminal title."""
    doubted = SIZE + sync(0) + b"4.name,500.\xff\xff" + sync(1) + FILL
    assert cut_of(doubted, 10_000, 20_000)[0] == SIZE + sync(0)


def test_the_contents_are_those_of_preamble_and_body(cut_of: Cutting) -> None:
    first = SIZE + FILL + sync(0)
    prelude = {"after_sync": 1_000_000, "display": (640, 480)}
    body, found = cut_of(
        first + FILL + sync(700) + sync(1_000), 10_000, 20_000, start=len(first), **prelude
    )
    contents = contents_from_json(found["contents"])
    assert body == FILL + sync(700) + sync(1_000)
    assert (contents.first_sync, contents.last_sync) == (1_000_000, 1_001_000)
    assert (contents.sync_count, contents.longest_gap_ms) == (3, 700)
    assert (contents.width, contents.end_height) == (640, 480)
    assert found["newest_sync"] == 1_001_000


@pytest.mark.parametrize("wanted", [20_000, 100_000, 300_000])
def test_cuts_in_a_row_are_the_recording_and_each_ends_with_a_sync(
    recordings: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wanted: int,
) -> None:
    monkeypatch.setattr(seams, "NEAR", 5_000)
    source = recordings("ssh-title-9c.guac")
    content, start, bodies = source.read_bytes(), 0, []
    while len(content) - start > wanted:
        body = tmp_path / f"{start:012}"
        found = cut(source, body, start=start, limits=Limits(wanted, 2 * wanted))
        piece = body.read_bytes()
        *_, last = read([piece])
        assert isinstance(last, Instruction)
        oversize = any(place["kind"] == "oversize" for place in found["contents"]["damage"])
        assert oversize or (last.opcode == "sync" and found["length"] <= wanted)
        assert found["length"] <= 2 * wanted
        read_alone = summarise(read([piece]))
        assert contents_from_json(found["contents"]).sync_count == read_alone.sync_count
        bodies.append(piece)
        start += found["length"]
    assert bodies
    assert b"".join(bodies) + content[start:] == content


def test_the_program_takes_its_limits_from_the_command_line(
    recordings: Callable[[str], Path], tmp_path: Path
) -> None:
    body = tmp_path / "body"
    done = run(
        *("--input", recordings("ssh-idle.guac"), "--start", 0, "--output", body),
        *("--limit", 50_000, "--after-sync", 5, "--display", "10x20"),
    )
    found = json.loads(done.stdout)
    assert 0 < found["length"] <= 50_000
    assert (found["contents"]["width"], found["contents"]["height"]) == (10, 20)
    assert body.stat().st_size == found["length"]
