"""The cut worker: bytes verbatim, what they hold, and nothing half done."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kasm_recd.contents import contents_from_json
from kasm_recd.errors import RecordingChanged
from kasm_recd.guacamole.contents import summarise
from kasm_recd.guacamole.instructions import encode, read
from kasm_recd.workers import files
from kasm_recd.workers.cut import cut

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def run(
    *arguments: str | int | Path, wrapper: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    argv = [*wrapper, sys.executable, "-I", "-m", "kasm_recd.workers.cut", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def recording(recordings: Callable[[str], Path]) -> Path:
    return recordings("ssh-title-9c.guac")


def test_a_whole_recording_is_cut_byte_for_byte(recording: Path, tmp_path: Path) -> None:
    body = tmp_path / "body"
    done = run("--input", recording, "--start", 0, "--output", body)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout.splitlines()[-1])
    content = recording.read_bytes()
    assert body.read_bytes() == content
    assert result["length"] == len(content)
    assert result["sha256"] == hashlib.sha256(content).hexdigest()
    assert contents_from_json(result["contents"]) == summarise(read([content]))
    assert body.stat().st_mode & 0o777 == 0o600


def test_offsets_of_damage_count_from_the_recordings_beginning(
    recording: Path, tmp_path: Path
) -> None:
    start, end = 135_708, 137_043
    result = cut(recording, tmp_path / "body", start=start, end=end)
    assert (tmp_path / "body").read_bytes() == recording.read_bytes()[start:end]
    assert [(place["start"], place["end"]) for place in result["contents"]["damage"]] == [
        *((135_736, 135_750), (135_750, 137_043))
    ]


def test_cuts_in_a_row_are_the_recording(recording: Path, tmp_path: Path) -> None:
    size = recording.stat().st_size
    bounds = [0, 1, 100_000, 500_000, size]
    for start, end in itertools.pairwise(bounds):
        cut(recording, tmp_path / f"{start:09}", start=start, end=end)
    joined = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert joined == recording.read_bytes()


def test_what_a_live_recording_gains_meanwhile_is_left_for_the_next_cut(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.write_bytes(encode("sync", 1) * 100)
    size = live.stat().st_size
    with live.open("ab", buffering=0) as guacd:
        copy = files.copy

        def copy_while_growing(source: int, target: int, start: int, length: int) -> None:
            guacd.write(encode("sync", 2))
            copy(source, target, start, length)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "copy", copy_while_growing)
            result = cut(live, tmp_path / "body", start=0)
    assert result["length"] == size
    assert cut(live, tmp_path / "next", start=size)["contents"]["first_sync"] == 2


def test_nothing_new_is_an_empty_body(recording: Path, tmp_path: Path) -> None:
    result = cut(recording, tmp_path / "body", start=recording.stat().st_size)
    assert result["length"] == 0
    assert contents_from_json(result["contents"]).empty


@pytest.mark.parametrize("kernel_copies", [True, False])
def test_a_recording_that_shrinks_meanwhile_is_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_copies: bool
) -> None:
    recording, body = tmp_path / "recording", tmp_path / "body"
    recording.write_bytes(encode("sync", 1) * 1_000)
    copy = files.copy
    if not kernel_copies:
        monkeypatch.setattr(os, "copy_file_range", _refuse)

    def copy_after_the_loss(source: int, target: int, start: int, length: int) -> None:
        os.truncate(recording, 500)
        copy(source, target, start, length)

    monkeypatch.setattr(files, "copy", copy_after_the_loss)
    with pytest.raises(RecordingChanged, match="shrank"):
        cut(recording, body, start=0)
    assert not body.exists()


def test_a_recording_that_shrinks_after_its_copy_is_not_cut_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording, body = tmp_path / "recording", tmp_path / "body"
    recording.write_bytes(encode("sync", 1) * 1_000)
    copy = files.copy

    def copy_before_the_loss(source: int, target: int, start: int, length: int) -> None:
        copy(source, target, start, length)
        os.truncate(recording, 500)

    monkeypatch.setattr(files, "copy", copy_before_the_loss)
    with pytest.raises(RecordingChanged, match="shrank"):
        cut(recording, body, start=0)
    assert not body.exists()


def test_a_start_beyond_the_end_says_so(recording: Path, tmp_path: Path) -> None:
    done = run("--input", recording, "--start", 10**9, "--output", tmp_path / "body")
    assert done.returncode == 1
    assert done.stderr == (
        f"cut: {recording} has {recording.stat().st_size} bytes and is to be cut at 1000000000\n"
    )
    assert list(tmp_path.iterdir()) == []


def _refuse(*_: object, **__: object) -> int:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


def test_where_the_kernel_cannot_copy_the_bytes_are_the_same(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", _refuse)
    monkeypatch.setattr(files, "PLAIN_COPY", 10_007)
    cut(recording, tmp_path / "body", start=7)
    assert (tmp_path / "body").read_bytes() == recording.read_bytes()[7:]


def test_an_io_error_is_no_reason_to_copy_otherwise(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "copy_file_range", fail)
    with pytest.raises(OSError, match="Input/output error"):
        cut(recording, tmp_path / "body", start=0)
    assert list(tmp_path.iterdir()) == []


def test_the_body_is_on_disk_before_the_result_is_given(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    cut(recording, tmp_path / "body", start=0)
    assert synced == [(tmp_path / "body").stat().st_ino]


def test_a_body_that_exists_is_never_overwritten(recording: Path, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        cut(recording, body, start=0)
    assert body.read_bytes() == b"precious"


def test_only_a_regular_file_is_cut(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(recording)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "missing"):
        done = run("--input", tmp_path / name, "--start", 0, "--output", tmp_path / "body")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("cut: ")
        assert not (tmp_path / "body").exists()


def test_a_limit_that_is_hit_leaves_no_half_body(recording: Path, tmp_path: Path) -> None:
    body, limited = tmp_path / "body", ("prlimit", "--fsize=100000")
    done = run("--input", recording, "--start", 0, "--output", body, wrapper=limited)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert not body.exists()
