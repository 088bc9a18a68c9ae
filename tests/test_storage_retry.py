"""``upload`` retries what passes, and nothing else, and never outlives the stop event."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from kasm_recd import storage
from kasm_recd.errors import KeyTaken, LocationInvalid, RecdError, StoreRefused, StoreUnavailable
from kasm_recd.filestore import FileStore
from kasm_recd.s3 import S3Store
from kasm_recd.storage import Endpoint, Payload, Proof, open_store, upload

PAYLOAD = Payload(Path("/nowhere"), 1, "00" * 32, "video/mp4")
PROOF = Proof("etag", "00")


class Scripted:
    """A store whose calls end as told, and which counts them."""

    def __init__(self, *, put: list[RecdError | None], prove: list[RecdError | None]) -> None:
        self.calls: list[str] = []
        self.called = threading.Event()
        self._script = {"put": put, "prove": prove}

    def put(self, _key: str, _payload: Payload) -> None:
        self._act("put")

    def prove(self, _key: str, _payload: Payload) -> Proof:
        self._act("prove")
        return PROOF

    def close(self) -> None:
        raise AssertionError("upload does not own the store")

    def _act(self, what: str) -> None:
        self.calls.append(what)
        self.called.set()
        outcome = self._script[what].pop(0)
        if outcome:
            raise outcome


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "FIRST_WAIT_S", 0.001)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(
    ("put", "prove", "calls"),
    [
        ([None], [None], "put prove"),
        ([KeyTaken("there")], [None], "put prove"),
        ([StoreUnavailable("1"), None], [None], "put put prove"),
        ([StoreUnavailable("1"), StoreUnavailable("2"), None], [None], "put put put prove"),
        ([None, KeyTaken("there")], [StoreUnavailable("1"), None], "put prove put prove"),
    ],
)
def test_it_ends_with_a_proof(
    put: list[RecdError | None], prove: list[RecdError | None], calls: str
) -> None:
    store = Scripted(put=put, prove=prove)
    assert upload(store, "k", PAYLOAD, stop=threading.Event()) == PROOF
    assert store.calls == calls.split()


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(
    ("put", "prove", "raised", "calls"),
    [
        ([StoreRefused("no")], [], StoreRefused, "put"),
        ([KeyTaken("there")], [KeyTaken("another")], KeyTaken, "put prove"),
        ([None], [StoreRefused("no")], StoreRefused, "put prove"),
        ([StoreUnavailable("away")] * 3, [], StoreUnavailable, "put put put"),
    ],
)
def test_what_is_final_is_raised_at_once_and_the_rest_after_three_tries(
    put: list[RecdError | None],
    prove: list[RecdError | None],
    raised: type[RecdError],
    calls: str,
) -> None:
    store = Scripted(put=put, prove=prove)
    with pytest.raises(raised):
        upload(store, "k", PAYLOAD, stop=threading.Event())
    assert store.calls == calls.split()


@pytest.mark.usefixtures("no_waits")
def test_the_number_of_tries_is_the_callers() -> None:
    store = Scripted(put=[StoreUnavailable("away")] * 5, prove=[])
    with pytest.raises(StoreUnavailable, match="away"):
        upload(store, "k", PAYLOAD, stop=threading.Event(), tries=5)
    assert len(store.calls) == 5


def test_a_mistake_of_ours_is_not_retried() -> None:
    store = Scripted(put=[], prove=[])
    with pytest.raises(IndexError):
        upload(store, "k", PAYLOAD, stop=threading.Event())
    assert store.calls == ["put"]


def test_nothing_is_begun_once_the_stop_event_is_set() -> None:
    stop = threading.Event()
    stop.set()
    store = Scripted(put=[], prove=[])
    with pytest.raises(StoreUnavailable, match="stopped"):
        upload(store, "k", PAYLOAD, stop=stop)
    assert store.calls == []


def test_a_try_that_fails_after_the_stop_event_is_the_last() -> None:
    stop = threading.Event()

    class StoppedMeanwhile(Scripted):
        def put(self, _key: str, _payload: Payload) -> None:
            stop.set()
            super().put(_key, _payload)

    with pytest.raises(StoreUnavailable, match="away"):
        upload(StoppedMeanwhile(put=[StoreUnavailable("away")], prove=[]), "k", PAYLOAD, stop=stop)


def test_the_stop_event_ends_the_wait_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "FIRST_WAIT_S", 3600.0)
    monkeypatch.setattr(storage, "LONGEST_WAIT_S", 3600.0)
    stop = threading.Event()
    store = Scripted(put=[StoreUnavailable("away")], prove=[])
    raised: list[BaseException] = []

    def work() -> None:
        try:
            upload(store, "k", PAYLOAD, stop=stop)
        except StoreUnavailable as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert store.called.wait(10)
    thread.join(0.2)
    assert thread.is_alive()  # it waits
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert store.calls == ["put"]
    assert "stopped" in str(raised[0])


def test_waits_double_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Clockwork(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return False

    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("slept outside the stop event"))
    store = Scripted(put=[StoreUnavailable("away")] * 10, prove=[])
    with pytest.raises(StoreUnavailable):
        upload(store, "k", PAYLOAD, stop=Clockwork(), tries=10)
    least = [min(0.5 * 2**n, 20.0) for n in range(9)]
    assert all(low <= wait <= low + 0.5 for low, wait in zip(least, waits, strict=True))
    assert len({wait % 0.5 for wait in waits}) > 1


def test_the_destination_says_which_store_it_is() -> None:
    def opened(destination: str) -> storage.Store:
        return open_store(
            destination, endpoint=Endpoint(), key="", secret="", stop=threading.Event()
        )

    assert isinstance(opened("file:///srv/clips"), FileStore)
    assert isinstance(opened("s3://clips@s3.amazonaws.com"), S3Store)
    with pytest.raises(LocationInvalid):
        opened("ftp://clips")


def test_a_proof_is_journaled_with_its_means() -> None:
    assert str(Proof("readback", "ab12")) == "readback:ab12"
