"""What is never taken for a recording, and what cannot be looked at."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from kasm_recd import disk
from kasm_recd.watcher import Loss
from tests.fixtures_guacd import TINY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.fixtures_guacd import AsNobody
    from tests.fixtures_watcher import Lookout


def test_recordings_in_sub_folders_are_recordings(lookout: Lookout) -> None:
    deep = lookout.folder / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "session").write_bytes(TINY)
    assert lookout.only().path == deep / "session"


def test_symlinks_are_refused_with_one_warning_each(lookout: Lookout) -> None:
    outside = lookout.folder.parent / "outside"
    outside.mkdir()
    (outside / "session").write_bytes(TINY)
    (lookout.folder / "file").symlink_to(outside / "session")
    (lookout.folder / "folder").symlink_to(outside)

    with capture_logs() as logs:
        for _ in range(3):
            assert lookout.scan().sightings == ()

    assert sorted((each["event"], each["path"]) for each in logs) == [
        ("file.refused", str(lookout.folder / "file")),
        ("file.refused", str(lookout.folder / "folder")),
    ]


def test_hard_links_are_refused_until_the_other_name_is_gone(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY)
    recording = lookout.note(lookout.only())
    other = lookout.folder.parent / "other"
    other.hardlink_to(path)

    with capture_logs() as logs:
        for _ in range(3):
            scan = lookout.scan()
            assert (scan.sightings, scan.lost) == ((), {})
    assert [each["event"] for each in logs] == ["file.refused"]

    other.unlink()
    assert lookout.only().recording == recording


def test_a_complaint_is_made_again_when_it_happens_again(lookout: Lookout) -> None:
    link = lookout.folder / "link"
    with capture_logs() as logs:
        for _ in range(2):
            link.symlink_to("/etc/passwd")
            lookout.scan()
            link.unlink()
            lookout.scan()
    assert len(logs) == 2


def test_pipes_and_sockets_are_never_opened(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(lookout.folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(lookout.folder)  # a socket's path must be short
        listener.bind("socket")
        opened: list[Path] = []
        monkeypatch.setattr(disk, "open_to_look", opened.append)
        with capture_logs() as logs:
            lookout.scan()
            lookout.scan()
    assert opened == []
    assert [each["event"] for each in logs] == ["file.refused"] * 2


def test_what_turns_into_a_pipe_before_the_look_is_left_alone(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(lookout.folder.parent / "pipe")
    (lookout.folder / "session").write_bytes(TINY)
    pipe = os.open(lookout.folder.parent / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr(disk, "open_to_look", lambda _: pipe)
    with capture_logs() as logs:
        assert lookout.scan().sightings == ()
    assert logs == []


def test_what_turns_into_a_symlink_before_the_look_is_not_followed(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = lookout.folder.parent / "outside"
    outside.mkdir()
    (outside / "session").write_bytes(TINY)
    sub = lookout.folder / "sub"
    sub.mkdir()
    real = os.open

    def swap(path: Path, flags: int, *rest: int) -> int:
        if path == sub:
            sub.rmdir()
            sub.symlink_to(outside)
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", swap)
    assert lookout.scan().sightings == ()


def test_foreign_files_are_ignored_and_named_once(lookout: Lookout) -> None:
    path = lookout.folder / "notes.txt"
    path.write_text("2026-11-23 somebody's notes")
    with capture_logs() as logs:
        for _ in range(3):
            assert lookout.scan().sightings == ()
            path.write_text(path.read_text() + "\nmore notes")
    assert [each["event"] for each in logs] == ["file.ignored"]


def test_an_untouched_foreign_file_is_not_opened_again(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lookout.folder / "notes.txt").write_text("notes")
    lookout.scan()
    lookout.scan()
    opened: list[Path] = []
    monkeypatch.setattr(disk, "open_to_look", opened.append)
    lookout.scan()
    assert opened == []


def test_a_foreign_file_that_becomes_a_recording_is_one(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(b"\0" * 100)
    assert lookout.scan().sightings == ()
    path.write_bytes(TINY)
    assert lookout.only().path == path


def test_a_beginning_that_is_too_short_waits_for_more(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(b"4.si")
    with capture_logs() as logs:
        assert lookout.scan().sightings == ()
    assert logs == []
    path.write_bytes(TINY)
    assert lookout.only().path == path


def test_sidecars_and_hidden_names_are_no_recordings(lookout: Lookout) -> None:
    for name in ("session.json", ".kasm-recd-7", ".kasm-recd-0a0a.tmp"):
        (lookout.folder / name).write_bytes(TINY)
    with capture_logs() as logs:
        assert lookout.scan().sightings == ()
    assert logs == []


def test_names_that_are_no_utf8_are_names(lookout: Lookout) -> None:
    name = os.fsdecode(b"session-\xff\xfe")
    (lookout.folder / name).write_bytes(TINY)
    assert lookout.only().path.name == name


def test_a_file_that_cannot_be_opened_is_not_called_lost(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = lookout.folder / "session", lookout.folder / "other"
    path.write_bytes(TINY)
    lookout.note(lookout.only())
    other.write_bytes(TINY)
    gone = lookout.note(next(each for each in lookout.scan().sightings if each.path == other))
    other.unlink()

    def refuse(_: Path) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(disk, "open_to_look", refuse)
    with capture_logs() as logs:
        assert lookout.scan().lost == {}
        assert lookout.scan().lost == {gone.id: Loss.VANISHED}
    assert [each["event"] for each in logs] == ["recording.unreadable"]


def test_below_a_folder_that_cannot_be_read_nothing_is_called_lost(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    sub = lookout.folder / "sub"
    sub.mkdir()
    (sub / "session").write_bytes(TINY)
    recording = lookout.note(lookout.only())
    real = os.open

    def refuse(path: Path, flags: int, *rest: int) -> int:
        if path == sub:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *rest)

    with capture_logs() as logs, monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        for _ in range(3):
            scan = lookout.scan()
            assert (scan.sightings, scan.lost, scan.folder_error) == ((), {}, None)
    assert [each["event"] for each in logs] == ["folder.unreadable"]
    assert lookout.only().recording == recording


def test_a_missing_folder_is_an_error_and_no_loss(lookout: Lookout) -> None:
    path = lookout.folder / "session"
    path.write_bytes(TINY)
    recording = lookout.note(lookout.only())
    away = lookout.folder.rename(lookout.folder.parent / "away")

    for _ in range(3):
        scan = lookout.scan()
        assert (scan.sightings, scan.lost) == ((), {})
        assert scan.folder_error is not None
        assert str(lookout.folder) in scan.folder_error

    away.rename(lookout.folder)
    assert lookout.only().recording == recording


def test_a_folder_that_cannot_be_read_is_an_error(lookout: Lookout, as_nobody: AsNobody) -> None:
    (lookout.folder / "session").write_bytes(TINY)
    lookout.folder.chmod(0)
    with as_nobody():
        scan = lookout.scan()
    lookout.folder.chmod(0o700)
    assert scan.folder_error is not None
    assert "Permission denied" in scan.folder_error


def test_a_folder_that_cannot_be_written_is_an_error_but_is_read(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lookout.folder / "session").write_bytes(TINY)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    scan = lookout.scan()
    assert len(scan.sightings) == 1
    assert scan.folder_error is not None
    assert "cannot be written" in scan.folder_error


def test_the_recording_folder_itself_may_be_a_symlink(lookout: Lookout) -> None:
    (lookout.folder / "session").write_bytes(TINY)
    real = lookout.folder.rename(lookout.folder.parent / "real")
    lookout.folder.symlink_to(real)
    assert lookout.only().path == lookout.folder / "session"
