"""Holes in a live file: what they leave, what they refuse, and what its writer notices."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk
from kasm_recd.errors import RecordingChanged
from tests.values import make_recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.recording import Recording
    from tests.fixtures_guacd import AsNobody, GuacdWriter

MB = 1_000_000


@pytest.fixture
def live(tmp_path: Path) -> Path:
    path = tmp_path / "live"
    path.write_bytes(os.urandom(2 * MB))
    return path


def recorded(path: Path, consumed: int) -> Recording:
    return make_recording(path=str(path), identity=disk.identify(path), consumed=consumed)


def test_the_hole_is_of_whole_blocks_between_the_head_and_the_end(live: Path) -> None:
    before, allocated = live.read_bytes(), disk.status_of(live).allocated
    disk.punch(recorded(live, MB), 0, MB)
    after, hole = live.read_bytes(), slice(4096, MB // 4096 * 4096)
    assert len(after) == len(before)
    assert after[hole] == bytes(hole.stop - hole.start)
    assert after[: hole.start] == before[: hole.start]
    assert after[hole.stop :] == before[hole.stop :]
    assert disk.status_of(live).allocated <= allocated - (hole.stop - hole.start)


def test_it_is_still_the_same_recording_and_can_be_punched_again(live: Path) -> None:
    recording = recorded(live, MB)
    disk.punch(recording, 0, MB)
    assert disk.is_same_file(recording.identity, disk.identify(live))
    disk.punch(recording, 0, MB)


@pytest.mark.parametrize(("start", "end"), [(0, MB + 1), (-1, MB), (MB, 0)])
def test_only_consumed_bytes_go(live: Path, start: int, end: int) -> None:
    before = live.read_bytes()
    with pytest.raises(ValueError, match="consumed"):
        disk.punch(recorded(live, MB), start, end)
    assert live.read_bytes() == before


def test_another_file_under_the_name_is_left_alone(live: Path, tmp_path: Path) -> None:
    recording = recorded(live, MB)
    other = tmp_path / "other"
    other.write_bytes(os.urandom(2 * MB))
    content = other.read_bytes()
    other.replace(live)
    with pytest.raises(RecordingChanged, match="another file"):
        disk.punch(recording, 0, MB)
    assert live.read_bytes() == content


def test_a_file_that_was_overwritten_in_place_is_left_alone(live: Path) -> None:
    recording = recorded(live, MB)
    with live.open("r+b") as file:
        file.write(b"another session")
    with pytest.raises(RecordingChanged):
        disk.punch(recording, 0, MB)


def test_a_link_is_not_followed(live: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(live)
    with pytest.raises(OSError, match="symbolic links"):
        disk.punch(replace(recorded(live, MB), path=str(link)), 0, MB)


def test_without_the_right_to_write_nothing_is_closed_either(
    live: Path, as_nobody: AsNobody
) -> None:
    live.chmod(0o444)
    live.parent.chmod(0o755)
    closes: list[int] = []
    with as_nobody(), pytest.raises(PermissionError):
        disk.punch(recorded(live, MB), 0, MB, before_close=lambda: closes.append(1))
    assert not closes


def test_a_writer_under_its_lock_notices_nothing(
    tmp_path: Path,
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
) -> None:
    source = recordings("ssh-title-9c.guac")
    writer = guacd_writer(source, tmp_path / "live", "--on-command")
    half = writer.write(400_000)
    disk.punch(recorded(writer.path, half), 0, half)
    assert disk.is_locked(writer.path)
    size = writer.write("all")
    assert size == source.stat().st_size
    assert writer.path.read_bytes()[half:] == source.read_bytes()[half:]
    assert disk.is_locked(writer.path)
