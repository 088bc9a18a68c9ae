"""A folder as a store: what only a file system can do wrong."""

from __future__ import annotations

import errno
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.errors import KeyTaken, StoreRefused, StoreUnavailable
from kasm_recd.filestore import FileStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kasm_recd.storage import Payload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(str(folder), stop=threading.Event())


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def failing_with(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_the_daemons_group_can_read_and_nobody_else(
    store: FileStore, folder: Path, payload: Callable[[bytes], Payload]
) -> None:
    before = os.umask(0)
    try:
        store.put("a/clip.mp4", payload(b"x"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "a" / "clip.mp4").stat().st_mode) == 0o640
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o750
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_linked_upload_folder_is_followed(
    store: FileStore, folder: Path, tmp_path: Path, payload: Callable[[bytes], Payload]
) -> None:
    real = tmp_path / "mounted"
    real.mkdir()
    folder.symlink_to(real)
    clip = payload(b"x")
    store.put("clip.mp4", clip)
    assert str(store.prove("clip.mp4", clip)) == f"file:{clip.sha256}"
    assert (real / "clip.mp4").read_bytes() == b"x"


@pytest.mark.parametrize("key", ["out/clip.mp4", "in/out/clip.mp4"])
def test_a_link_below_the_upload_folder_is_refused(
    store: FileStore, folder: Path, tmp_path: Path, payload: Callable[[bytes], Payload], key: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = folder / key
    link.parent.parent.mkdir(parents=True)
    link.parent.symlink_to(elsewhere)
    with pytest.raises(StoreRefused) as refused:
        store.put(key, payload(b"x"))
    assert "link" in refused.value.hint
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("dangling", [True, False])
def test_a_link_in_place_of_the_file_is_another_content(
    store: FileStore, folder: Path, payload: Callable[[bytes], Payload], dangling: bool
) -> None:
    folder.mkdir()
    clip = payload(b"x")
    (folder / "clip.mp4").symlink_to("nowhere" if dangling else clip.path)
    with pytest.raises(KeyTaken):
        store.put("clip.mp4", clip)
    with pytest.raises(KeyTaken):
        store.prove("clip.mp4", clip)


def test_neither_a_folder_nor_a_pipe_passes_for_the_clip(
    store: FileStore, folder: Path, payload: Callable[[bytes], Payload]
) -> None:
    (folder / "a.mp4").mkdir(parents=True)
    os.mkfifo(folder / "b.mp4")
    for name in ("a.mp4", "b.mp4"):
        with pytest.raises(KeyTaken):
            store.put(name, payload(b""))
        with pytest.raises(KeyTaken):
            store.prove(name, payload(b""))


@pytest.mark.parametrize("key", ["", "..", "../x", "a/../../x", "a//x", "/x", "a/", "./x"])
def test_a_key_that_is_no_path_below_the_folder_is_refused(
    store: FileStore, folder: Path, payload: Callable[[bytes], Payload], key: str
) -> None:
    with pytest.raises(StoreRefused):
        store.put(key, payload(b"x"))
    with pytest.raises(StoreRefused):
        store.prove(key, payload(b"x"))
    assert not folder.exists() or files_below(folder) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreUnavailable),
        (errno.EDQUOT, StoreUnavailable),
        (errno.EIO, StoreUnavailable),
        (errno.ESTALE, StoreUnavailable),
        (errno.EACCES, StoreRefused),
        (errno.EROFS, StoreRefused),
        (errno.EPERM, StoreRefused),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "link"])
def test_what_fails_on_the_way_leaves_nothing_behind(
    store: FileStore,
    folder: Path,
    payload: Callable[[bytes], Payload],
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    kind: type[Exception],
) -> None:
    clip = payload(b"x")
    with monkeypatch.context() as broken:
        broken.setattr(os, call, failing_with(number))
        with pytest.raises(kind, match=r"clip\.mp4"):
            store.put("clip.mp4", clip)
    assert files_below(folder) == []
    store.put("clip.mp4", clip)


def test_what_a_crash_left_is_removed_by_the_next_try(
    store: FileStore,
    folder: Path,
    payload: Callable[[bytes], Payload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clip = payload(b"x" * 100)
    with monkeypatch.context() as crash:
        crash.setattr(os, "link", failing_with(errno.EIO))
        crash.setattr("kasm_recd.filestore._unlink", lambda *_: None)
        with pytest.raises(StoreUnavailable):
            store.put("a/clip.mp4", clip)
    (left,) = files_below(folder)
    assert left.startswith("a/.kasm-recd-")
    store.put("a/clip.mp4", clip)
    assert files_below(folder) == ["a/clip.mp4"]


def test_bytes_and_name_are_made_durable_before_put_returns(
    store: FileStore,
    folder: Path,
    payload: Callable[[bytes], Payload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[str] = []
    real_fsync, real_link = os.fsync, os.link

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        steps.append(f"fsync {kind}")
        real_fsync(descriptor)

    def link(*args: Any, **kwargs: Any) -> None:
        steps.append("link")
        real_link(*args, **kwargs)

    folder.mkdir()
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    clip = payload(b"x")
    store.put("clip.mp4", clip)
    assert steps == ["fsync file", "link", "fsync folder"]
    steps.clear()
    store.prove("clip.mp4", clip)
    assert steps == ["fsync file", "fsync folder"]  # whoever put it may have died in between


def test_of_many_writers_exactly_one_puts(
    store: FileStore, payload: Callable[[bytes], Payload]
) -> None:
    clips = [payload(b"clip %d" % n) for n in range(8)]

    def put(clip: Payload) -> bool:
        try:
            store.put("clip.mp4", clip)
        except KeyTaken:
            return False
        return True

    with ThreadPoolExecutor(len(clips)) as pool:
        assert sum(pool.map(put, clips)) == 1


def test_an_upload_folder_that_is_a_file_is_refused(
    store: FileStore, folder: Path, payload: Callable[[bytes], Payload]
) -> None:
    folder.write_text("in the way")
    with pytest.raises(StoreRefused):
        store.put("clip.mp4", payload(b"x"))
