"""One attempt at one segment: keys, proofs, back-off, and one broken bucket among others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kasm_recd.claiming import object_key
from kasm_recd.destinations import BackOff
from kasm_recd.errors import KeyTaken, StoreRefused, StoreUnavailable
from kasm_recd.location import Location
from kasm_recd.segment import Artifact
from kasm_recd.states import Form, SegmentEvent, SegmentState
from kasm_recd.storage import Proof
from kasm_recd.uploading import UploadStage
from tests.values import make_segment

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.segment import Segment
    from kasm_recd.storage import Payload, Store
    from tests.fixtures_journal import Clock, SealOne

ARTIFACTS = tuple(
    Artifact(role, f"{role}.bin", 1, f"{role}-digest", "application/octet-stream")
    for role in ("clip", "thumbnail", "manifest")
)


class MemoryStore:
    """Objects by key; a key in ``taken`` holds somebody else's content."""

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}
        self.order: list[str] = []
        self.taken: set[str] = set()
        self.trouble: Exception | None = None
        self.calls = 0

    def put(self, key: str, payload: Payload) -> None:
        self.calls += 1
        if self.trouble is not None:
            raise self.trouble
        if key in self.taken:
            raise KeyTaken(f"{key} is taken")
        self.objects[key] = payload.sha256
        self.order.append(key)

    def prove(self, key: str, payload: Payload) -> Proof:
        if key in self.taken:
            raise KeyTaken(f"{key} is taken")
        return Proof("checksum", payload.sha256)

    def close(self) -> None: ...


class Stage:
    """An upload stage over one memory store a destination, and what it hands on."""

    def __init__(self, journal: Journal, clock: Clock, folder: Path) -> None:
        self.journal = journal
        self.clock = clock
        self.stores: dict[str, MemoryStore] = {}
        self.stored: list[Segment] = []
        self.again: list[tuple[Segment, float]] = []
        self.stop = threading.Event()
        self.folder = folder
        self.stage = self.with_location("s3://one@store.example/clips/{kasm_id}.mp4")

    def with_location(self, location: str) -> UploadStage:
        self.stage = UploadStage(
            journal=self.journal,
            spool=self.folder,
            location=Location.parse(location),
            open_store=self.open_store,
            back_off=BackOff(first_s=2, most_s=600, draw=lambda: 1.0),
            on_stored=self.stored.append,
            on_again=lambda segment, at: self.again.append((segment, at)),
            stop=self.stop,
            now=self.clock,
        )
        return self.stage

    def open_store(self, destination: str) -> Store:
        return self.store(destination)

    def store(self, destination: str = "s3://one@store.example") -> MemoryStore:
        return self.stores.setdefault(destination, MemoryStore())


@pytest.fixture
def stage(
    journal: Journal, journal_clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Stage:
    monkeypatch.setattr("kasm_recd.storage.FIRST_WAIT_S", 0.0)
    return Stage(journal, journal_clock, tmp_path)


async def encoded(
    journal: Journal, seal_one: SealOne, artifacts: tuple[Artifact, ...] = ARTIFACTS
) -> Segment:
    segment = await seal_one(journal)
    await journal.move_segment(segment.id, SegmentEvent.ENCODE)
    return await journal.move_segment(segment.id, SegmentEvent.ENCODED, artifacts=artifacts)


async def test_the_manifest_goes_up_last_and_every_proof_is_journaled(
    stage: Stage, journal: Journal, seal_one: SealOne
) -> None:
    segment = await encoded(journal, seal_one)
    await stage.stage.work(segment.id)
    assert stage.store().order == [
        "clips/k-1.0000.mp4",
        "clips/k-1.0000.jpg",
        "clips/k-1.0000.json",
    ]
    found = journal.segment(segment.id)
    assert found is not None
    assert found.state is SegmentState.STORED
    assert dict(found.proofs) == {
        role: f"checksum:{role}-digest" for role in ("clip", "thumbnail", "manifest")
    }
    assert stage.stored == [found]


async def test_seek_aids_are_proved_before_the_manifest_goes_up(
    stage: Stage, journal: Journal, seal_one: SealOne
) -> None:
    roles = ("clip", "thumbnail", "sprites", "sprite_index", "activity", "manifest")
    artifacts = tuple(Artifact(role, role, 1, f"{role}-digest", "text/plain") for role in roles)
    segment = await encoded(journal, seal_one, artifacts)
    await stage.stage.work(segment.id)
    assert stage.store().order[2:] == [
        "clips/k-1.0000.seek/sprites.jpg",
        "clips/k-1.0000.seek/sprites.vtt",
        "clips/k-1.0000.seek/activity.json",
        "clips/k-1.0000.json",
    ]
    (found,) = stage.stored
    assert dict(found.proofs) == {role: f"checksum:{role}-digest" for role in roles}


async def test_a_retry_uses_the_journaled_key_and_puts_only_what_is_not_proved(
    stage: Stage, journal: Journal, seal_one: SealOne, journal_clock: Clock
) -> None:
    segment = await encoded(journal, seal_one)
    store = stage.store()
    store.taken = set()
    original = store.put

    def fails_at_the_manifest(key: str, payload: Payload) -> None:
        if key.endswith(".json"):
            raise StoreRefused("no more objects")
        original(key, payload)

    store.put = fails_at_the_manifest  # type: ignore[method-assign]
    await stage.stage.work(segment.id)
    assert [again.state for again, _ in stage.again] == [SegmentState.ENCODED]
    store.put = original  # type: ignore[method-assign]
    stage.with_location("s3://other@store.example/{user_id}.mp4")
    journal_clock.now += 1000
    await stage.stage.work(segment.id)
    assert store.order == ["clips/k-1.0000.mp4", "clips/k-1.0000.jpg", "clips/k-1.0000.json"]
    assert set(stage.stores) == {"s3://one@store.example"}


async def test_another_content_under_the_key_moves_all_files_to_the_next_number(
    stage: Stage, journal: Journal, seal_one: SealOne
) -> None:
    segment = await encoded(journal, seal_one)
    stage.store().taken = {"clips/k-1.0000.mp4", "clips/k-1.0001.mp4"}
    await stage.stage.work(segment.id)
    found = journal.segment(segment.id)
    assert found is not None
    assert found.key == "clips/k-1.0002.mp4"
    assert set(stage.store().objects) == {
        "clips/k-1.0002.mp4",
        "clips/k-1.0002.jpg",
        "clips/k-1.0002.json",
    }


async def test_a_segment_without_a_free_key_waits_for_the_operator_and_keeps_nobody(
    stage: Stage,
    journal: Journal,
    seal_one: SealOne,
    journal_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kasm_recd.claiming.KEY_TRIES", 2)
    stage.with_location("s3://one@store.example/{username}-{current_epoch}.mp4")
    segments = [await encoded(journal, seal_one) for _ in range(3)]
    for segment in segments:
        await stage.stage.work(segment.id)
    assert len(stage.stored) == 2
    ((waiting, at),) = stage.again
    assert (waiting.id, waiting.state, waiting.key) == (segments[2].id, SegmentState.ENCODED, "")
    assert at == waiting.next_attempt_at == journal_clock.now + 600
    stage.with_location("s3://one@store.example/{kasm_id}.mp4")
    await stage.stage.work(segments[2].id)
    assert len(stage.stored) == 3


async def test_a_broken_destination_is_asked_by_one_upload_at_a_time(
    stage: Stage, journal: Journal, seal_one: SealOne, journal_clock: Clock
) -> None:
    first = await encoded(journal, seal_one)
    second = await encoded(journal, seal_one)
    stage.store().trouble = StoreRefused("the secret is wrong")
    await stage.stage.work(first.id)
    calls = stage.store().calls
    await stage.stage.work(second.id)
    assert stage.store().calls == calls, "the second one does not ask before its time"
    assert stage.again[-1] == (journal.segment(second.id), journal_clock.now + 2)

    journal_clock.now += 2
    stage.store().trouble = None
    await stage.stage.work(second.id)
    assert [segment.id for segment in stage.stored] == [second.id]
    assert stage.stage.destinations["s3://one@store.example"].failures == 0


async def test_failed_attempts_at_a_destination_are_counted_since_the_start(
    stage: Stage, journal: Journal, seal_one: SealOne, journal_clock: Clock
) -> None:
    segment = await encoded(journal, seal_one)
    stage.store().trouble = StoreUnavailable("no answer")
    for failed in range(1, 4):
        await stage.stage.work(segment.id)
        found = journal.segment(segment.id)
        assert found is not None
        assert found.upload_attempts == failed
        assert stage.stage.attempts_since_start(found) == failed
        journal_clock.now += 1000


def test_waiting_doubles_up_to_its_ceiling_and_never_falls_under_half() -> None:
    low, high = BackOff(2, 600, draw=lambda: 0.0), BackOff(2, 600, draw=lambda: 1.0)
    assert [high.after(n) for n in (1, 2, 3, 10, 1000)] == [2, 4, 8, 600, 600]
    assert [low.after(n) for n in (1, 2, 1000)] == [1, 2, 300]


def test_the_files_of_a_segment_share_a_stem() -> None:
    clip = make_segment(form=Form.CLIP, key="a/b.0003.mp4")
    roles = ("clip", "thumbnail", "sprites", "sprite_index", "activity", "raw", "manifest")
    assert [object_key(clip, role) for role in roles] == [
        "a/b.0003.mp4",
        "a/b.0003.jpg",
        "a/b.0003.seek/sprites.jpg",
        "a/b.0003.seek/sprites.vtt",
        "a/b.0003.seek/activity.json",
        "a/b.0003.guac",
        "a/b.0003.json",
    ]
    raw = make_segment(form=Form.RAW, key="a/b.0003.guac")
    assert [object_key(raw, role) for role in ("raw", "manifest")] == [
        "a/b.0003.guac",
        "a/b.0003.json",
    ]
