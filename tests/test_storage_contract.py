"""Every store keeps the contract of ``storage.Store``: a folder, Swift's S3, moto's S3."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from kasm_recd.errors import KeyTaken, StoreUnavailable
from kasm_recd.storage import Payload, upload
from tests.storage_backends import Backend, file_backend, moto_backend, swift_backend

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.storage import Store

MAKERS = {"file": file_backend, "swift": swift_backend, "moto": moto_backend}
KEYS = (
    "clip.mp4",
    "kasm/alice@example.com/3f25.0001.mp4",
    "Jörg 本田/O'Neil & Co (2) #1 100%?.mp4",
    "a+b/c=d&e;f~g!$'()*,:@.mp4",
    "/".join("x" * 200 for _ in range(5)) + ".mp4",
)


@pytest.fixture(params=sorted(MAKERS))
def backend(request: pytest.FixtureRequest) -> Backend:
    return MAKERS[request.param](request)


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.open(threading.Event())


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_what_was_put_is_there_and_proved(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload], key: str
) -> None:
    clip = payload(b"a clip" * 1000)
    store.put(key, clip)
    assert backend.contents() == {key: b"a clip" * 1000}
    assert str(store.prove(key, clip)) == backend.proof(clip)


def test_nothing_but_the_object_is_left_behind(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload]
) -> None:
    store.put("a/b.mp4", payload(b"1"))
    store.put("a/c.mp4", payload(b"2"))
    assert sorted(backend.contents()) == ["a/b.mp4", "a/c.mp4"]


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_objects_of_any_size(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload], size: int
) -> None:
    clip = payload(bytes(size))
    store.put("clip.mp4", clip)
    store.prove("clip.mp4", clip)
    assert len(backend.contents()["clip.mp4"]) == size


def test_the_content_type_is_kept(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload]
) -> None:
    store.put("clip.mp4", payload(b"clip"))
    assert backend.content_type("clip.mp4") in ("video/mp4", None)


@pytest.mark.parametrize("there", [b"the same", b"another"])
def test_what_lies_there_is_never_replaced(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload], there: bytes
) -> None:
    backend.plant("a/clip.mp4", there)
    with pytest.raises(KeyTaken):
        store.put("a/clip.mp4", payload(b"the same"))
    assert backend.contents() == {"a/clip.mp4": there}


@pytest.mark.parametrize("there", [b"another content", b"the Same", b""])
def test_another_content_is_no_proof(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload], there: bytes
) -> None:
    backend.plant("clip.mp4", there)
    with pytest.raises(KeyTaken, match=r"clip\.mp4"):
        store.prove("clip.mp4", payload(b"the same"))


def test_what_is_not_there_is_not_proved(store: Store, payload: Callable[[bytes], Payload]) -> None:
    with pytest.raises(StoreUnavailable):
        store.prove("nowhere/clip.mp4", payload(b"x"))


def test_of_many_writers_of_one_key_exactly_one_is_proved(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload]
) -> None:
    """Not exactly one *put*: Swift looks at the condition before the body, so some may overlap."""
    clips = [payload(b"clip %d" % n) for n in range(6)]
    store.put("warm-up.mp4", clips[0])

    def succeeds(step: Callable[[str, Payload], object], clip: Payload) -> bool:
        try:
            step("clip.mp4", clip)
        except (KeyTaken, StoreUnavailable):
            return False
        return True

    with ThreadPoolExecutor(len(clips)) as pool:
        assert any(pool.map(lambda clip: succeeds(store.put, clip), clips))
    proved = [clip for clip in clips if succeeds(store.prove, clip)]
    assert [clip.path.read_bytes() for clip in proved] == [backend.contents()["clip.mp4"]]


def test_a_file_that_is_not_what_the_journal_knows_is_not_stored(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload]
) -> None:
    clip = payload(b"as it was sealed")
    clip.path.write_bytes(b"as a bad disk ha")
    with pytest.raises(StoreUnavailable, match="not what the journal knows"):
        store.put("clip.mp4", clip)
    assert backend.contents() == {}


def test_a_file_that_changed_after_it_was_put_proves_nothing(
    store: Store, payload: Callable[[bytes], Payload], backend: Backend
) -> None:
    clip = payload(b"as it was sealed")
    clip.path.write_bytes(b"as a bad disk ha")
    backend.plant("clip.mp4", b"as a bad disk ha")
    with pytest.raises((StoreUnavailable, KeyTaken)):
        store.prove("clip.mp4", clip)


def test_a_file_that_is_gone_is_not_stored(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload]
) -> None:
    clip = payload(b"x")
    clip.path.unlink()
    with pytest.raises(StoreUnavailable, match="cannot open"):
        store.put("clip.mp4", clip)
    assert backend.contents() == {}


def test_an_upload_that_was_done_before_is_proved_again(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload]
) -> None:
    clip = payload(b"a clip")
    stop = threading.Event()
    first = upload(store, "a/clip.mp4", clip, stop=stop)
    assert upload(store, "a/clip.mp4", clip, stop=stop) == first
    assert backend.contents() == {"a/clip.mp4": b"a clip"}


def test_an_upload_to_a_taken_key_says_so(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload]
) -> None:
    backend.plant("a/clip.mp4", b"another")
    with pytest.raises(KeyTaken):
        upload(store, "a/clip.mp4", payload(b"a clip"), stop=threading.Event())
    assert backend.contents() == {"a/clip.mp4": b"another"}


def test_after_the_stop_event_nothing_is_stored(
    backend: Backend, payload: Callable[[bytes], Payload]
) -> None:
    stop = threading.Event()
    store = backend.open(stop)
    store.put("before.mp4", payload(b"x"))
    stop.set()
    with pytest.raises(StoreUnavailable, match="stopped"):
        store.put("clip.mp4", payload(b"a clip"))
    with pytest.raises(StoreUnavailable, match="stopped"):
        upload(store, "clip.mp4", payload(b"a clip"), stop=stop)
    assert backend.contents() == {"before.mp4": b"x"}


def test_a_store_that_was_closed_lets_another_one_be_opened(
    backend: Backend, store: Store, payload: Callable[[bytes], Payload]
) -> None:
    store.close()
    backend.open(threading.Event()).put("clip.mp4", payload(b"x"))
    assert backend.contents() == {"clip.mp4": b"x"}


def test_neither_key_nor_secret_is_shown(backend: Backend, store: Store) -> None:
    shown = f"{store!r} {store!s}"
    assert not [secret for secret in backend.secrets if secret in shown]
