from __future__ import annotations

import ctypes
import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from kasm_recd import disk
from kasm_recd.disk import publishing


class Calls:
    """Notes fsyncs and renames in their order, by the names concerned."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        real_fsync, real_rename = os.fsync, Path.rename

        def fsync(descriptor: int) -> None:
            name = Path(f"/proc/self/fd/{descriptor}").readlink().name
            self.seen.append(f"fsync {name}")
            real_fsync(descriptor)

        def rename(path: Path, target: Any) -> Path:
            self.seen.append(f"rename to {Path(target).name}")
            return real_rename(path, target)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(Path, "rename", rename)


def test_publishing_syncs_the_file_then_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "new").write_bytes(b"bytes")
    calls = Calls(monkeypatch)

    disk.publish(tmp_path / "new", folder / "final")

    assert calls.seen == ["fsync new", "rename to final", "fsync folder"]
    assert (folder / "final").read_bytes() == b"bytes"


def test_a_folder_is_published_whole(tmp_path: Path) -> None:
    (tmp_path / "attempt").mkdir()
    (tmp_path / "attempt" / "body").write_bytes(b"body")

    disk.publish(tmp_path / "attempt", tmp_path / "segment")

    assert (tmp_path / "segment" / "body").read_bytes() == b"body"
    assert not (tmp_path / "attempt").exists()


def test_a_published_folder_never_replaces_one_that_holds_something(tmp_path: Path) -> None:
    for name in ("attempt", "segment"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "body").write_text(name)

    with pytest.raises(OSError, match="not empty"):
        disk.publish(tmp_path / "attempt", tmp_path / "segment")

    assert (tmp_path / "segment" / "body").read_text() == "segment"


def test_writing_atomically_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_text("old")

    disk.write_atomically(path, b"new")

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "note"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        disk.write_atomically(path, b"new")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_clearing_takes_files_folders_and_what_is_not_there(tmp_path: Path) -> None:
    target = tmp_path / "kept"
    target.mkdir()
    (target / "file").touch()
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "link").symlink_to(target)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(target)

    for name in ("folder", "file", "link", "nothing"):
        disk.clear(tmp_path / name)

    assert list(tmp_path.iterdir()) == [target]
    assert (target / "file").exists()


def test_the_digest_is_of_the_rest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"skipped" + b"x" * 300_000)
    with path.open("rb") as file:
        file.seek(7)
        assert disk.sha256(file) == hashlib.sha256(b"x" * 300_000).hexdigest()
        assert file.tell() == 300_007


def test_a_recording_leaves_under_a_hidden_name_in_its_own_folder(tmp_path: Path) -> None:
    path = tmp_path / "session"
    path.write_text("bytes")

    hidden = disk.leave(path, 42)

    assert hidden == tmp_path / ".kasm-recd-42" == disk.hidden_name(path, 42)
    assert hidden.read_text() == "bytes"
    assert not path.exists()


@pytest.mark.parametrize("supported", [True, False], ids=["renameat2", "hard link"])
def test_renaming_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, supported: bool
) -> None:
    if not supported:

        def refuse(*_: object) -> int:
            ctypes.set_errno(errno.EINVAL)
            return -1

        monkeypatch.setattr(publishing._libc, "renameat2", refuse)
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)

    with pytest.raises(FileExistsError):
        disk.rename_no_replace(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").read_text() == "two"
    assert (tmp_path / "one").read_text() == "one"

    disk.rename_no_replace(tmp_path / "one", tmp_path / "three")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["three", "two"]
    assert (tmp_path / "three").read_text() == "one"


def test_renaming_what_is_not_there_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        disk.rename_no_replace(tmp_path / "gone", tmp_path / "new")
