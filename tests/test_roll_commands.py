"""A recording to segments that play on their own, and back."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasm_recd import cli
from kasm_recd.errors import RecdError
from kasm_recd.guacamole.contents import summarise
from kasm_recd.guacamole.instructions import read
from kasm_recd.roll_commands import join, roll
from kasm_recd.workers.bounds import Limits
from kasm_recd.workers.cut import cut
from tests.rolling import make_recording

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = make_recording(90_000)


@pytest.fixture
def recording(recordings: Callable[[str], Path]) -> Path:
    return recordings("ssh-title-9c.guac")


def index_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "index.json").read_bytes())
    return found


def test_each_segment_plays_on_its_own_and_the_index_says_what_it_is(
    recording: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "segments"
    assert roll(recording, folder, segment_size=300_000) == 0
    index, content = index_of(folder), recording.read_bytes()
    assert index["sha256"] == hashlib.sha256(content).hexdigest()
    assert [entry["file"] for entry in index["segments"]] == sorted(
        path.name for path in folder.glob("*.guac")
    )
    position, last_sync = 0, None
    for entry in index["segments"]:
        whole = (folder / entry["file"]).read_bytes()
        body = whole[entry["preamble_length"] :]
        assert entry["trouble"] == ""
        assert bool(entry["preamble_length"]) == (position > 0)
        assert hashlib.sha256(whole).hexdigest() == entry["sha256"]
        assert body == content[entry["start"] :][: entry["length"]]
        assert entry["start"] == position
        found = summarise(read([whole]))
        assert (found.first_sync, found.last_sync) == (entry["first_sync"], entry["last_sync"])
        assert found.first_sync == last_sync or position == 0
        assert not found.empty
        position, last_sync = position + entry["length"], found.last_sync
    assert position == len(content)


@pytest.mark.parametrize("size", [20_001, 45_000, 10_000_000])
def test_join_after_roll_is_the_identity(tmp_path: Path, size: int) -> None:
    source, output = tmp_path / "small.guac", tmp_path / "again.guac"
    source.write_bytes(SMALL + b"4.torn,")
    roll(source, tmp_path / "segments", segment_size=size)
    assert join(tmp_path / "segments", output) == 0
    assert output.read_bytes() == source.read_bytes()


@given(size=st.integers(40, 100_000), torn=st.integers(0, 2_000))
@settings(max_examples=25, deadline=None)
def test_bodies_in_a_row_are_the_recording_for_any_size(size: int, torn: int) -> None:
    content = SMALL[:20_500] if size < 5_000 else SMALL
    content = content[: len(content) - torn]
    with tempfile.TemporaryDirectory() as folder:
        source, joined, start = Path(folder) / "source", b"", 0
        source.write_bytes(content)
        while start < len(content):
            body = Path(folder) / f"{start}"
            limits = Limits(size, 2 * size) if len(content) - start > size else None
            if not cut(source, body, start=start, limits=limits)["length"]:
                body.unlink()
                cut(source, body, start=start)
            joined += body.read_bytes()
            start += body.stat().st_size
    assert joined == content


def test_what_comes_before_the_first_sync_is_rolled_too(tmp_path: Path) -> None:
    source = tmp_path / "late-sync.guac"
    source.write_bytes(b"4.size,1.0,2.10,2.10;" * 50 + b"4.sync,4.1000;" * 40)
    roll(source, tmp_path / "segments", segment_size=500)
    entries = index_of(tmp_path / "segments")["segments"]
    assert [entry["trouble"] for entry in entries] == [""] * len(entries)
    assert [entry["first_sync"] for entry in entries] == [None, *([1000] * (len(entries) - 1))]
    join(tmp_path / "segments", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == source.read_bytes()


def test_a_segment_that_was_changed_is_not_joined(tmp_path: Path) -> None:
    source, folder, output = tmp_path / "s.guac", tmp_path / "segments", tmp_path / "again.guac"
    source.write_bytes(SMALL)
    roll(source, folder, segment_size=45_000)
    output.write_bytes(b"as it was")
    with (folder / "0001.guac").open("r+b") as file:
        file.seek(-5, 2)
        file.write(b"x")
    with pytest.raises(RecdError, match=r"0001\.guac is not the segment"):
        join(folder, output)
    assert output.read_bytes() == b"as it was"
    (folder / "0001.guac").unlink()
    with pytest.raises(RecdError, match="cannot be read"):
        join(folder, output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.guac", "s.guac", "segments"]


def test_wrong_calls_are_refused_with_a_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_bytes(SMALL)
    source = str(tmp_path / "full" / "file")
    assert cli.main(["roll", source, "-o", str(tmp_path / "full")]) == 1
    assert cli.main(["roll", str(tmp_path / "none"), "-o", str(tmp_path / "new")]) == 1
    assert cli.main(["join", str(tmp_path / "full"), "-o", str(tmp_path / "again")]) == 1
    told = capsys.readouterr().err
    assert told.count("what to do") == 3
    with pytest.raises(SystemExit):
        cli.main(["roll", source, "-o", str(tmp_path / "new"), "--segment-size", "0"])


def test_sizes_are_given_as_people_write_them(tmp_path: Path) -> None:
    (tmp_path / "s.guac").write_bytes(SMALL)
    arguments = ["roll", str(tmp_path / "s.guac"), "-o", str(tmp_path / "segments")]
    assert cli.main([*arguments, "--segment-size", "45kB"]) == 0
    assert len(index_of(tmp_path / "segments")["segments"]) == 3
