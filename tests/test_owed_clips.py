"""A segment that goes up raw for want of room: what is stored, what is owed, and how that ends."""

from __future__ import annotations

import errno
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from kasm_recd import preambles
from kasm_recd.contents import Contents
from kasm_recd.destinations import BackOff
from kasm_recd.encoder import Picture
from kasm_recd.encoding import EncodePolicy, EncodeStage
from kasm_recd.errors import IllegalMove, WorkerFailed
from kasm_recd.filestore import FileStore
from kasm_recd.location import Location
from kasm_recd.pressure import Level
from kasm_recd.recorder import worker_limits
from kasm_recd.relief import Relief
from kasm_recd.retention import Retention
from kasm_recd.states import RecordingEvent, SegmentEvent, SegmentState
from kasm_recd.surveying import Surveyor
from kasm_recd.uploading import UploadStage
from tests.test_encoding import ScriptedEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.segment import Segment
    from tests.fixtures_journal import Clock, SealOne

BODY = b"4.size,1.0,3.640,3.480;"
WHOLE = Contents(10, 5_010, 3, 4_000, 640, 480, drawn=True)
S = SegmentState


class Chain:
    """Encoding, uploading into a folder, and retention, over one real journal and spool."""

    def __init__(self, journal: Journal, clock: Clock, folder: Path) -> None:
        self.journal, self.spool, self.clips = journal, folder / "spool", folder / "clips"
        for name in ("segments", "attempts", preambles.FOLDER):
            (self.spool / name).mkdir(parents=True)
        self.encoder = ScriptedEncoder()
        self.again: list[Segment] = []
        self.full = 0
        stop = threading.Event()
        self.encoding = EncodeStage(
            journal=journal,
            spool=self.spool,
            encoders={"native": self.encoder},
            surveyor=Surveyor(journal=journal, spool=self.spool, limits=worker_limits()),
            policy=EncodePolicy("native", "damaged", Picture(720, 480, 2, 8_000_000), 3),
            on_ready=lambda _segment: None,
            on_again=self.again.append,
            on_full=self._count_full,
            now=clock,
        )
        self.uploading = UploadStage(
            journal=journal,
            spool=self.spool,
            location=Location.parse(f"file://{self.clips}/{{kasm_id}}.mp4"),
            open_store=lambda _destination: FileStore(str(self.clips), stop=stop),
            back_off=BackOff(),
            on_stored=lambda _segment: None,
            on_again=lambda _segment, _at: None,
            stop=stop,
            now=clock,
        )
        self.retention = Retention(
            journal=journal,
            spool=self.spool,
            retention_s=3600.0,
            attempts_since_start=lambda _segment: 99,
            now=clock,
        )

    def _count_full(self) -> None:
        self.full += 1

    def home(self, segment: Segment) -> Path:
        return self.spool / "segments" / segment.folder

    async def sealed(self, seal_one: SealOne, **changes: Any) -> Segment:
        segment = await seal_one(
            self.journal, **({"length": len(BODY), "contents": WHOLE, "sealed_uptime": 0} | changes)
        )
        self.home(segment).mkdir()
        (self.home(segment) / "body.guac").write_bytes(BODY)
        return segment

    async def owed(self, seal_one: SealOne, **changes: Any) -> Segment:
        """A segment that went up raw, and is stored so."""
        segment = await self.sealed(seal_one, **changes)
        await self.encoding.go_raw(segment.id)
        await self.uploading.work(segment.id)
        return self.now(segment)

    async def end(self, segment: Segment) -> None:
        """No segment follows: its recording is gone."""
        await self.journal.move_recording(segment.recording_id, RecordingEvent.LOSE)

    def now(self, segment: Segment) -> Segment:
        found = self.journal.segment(segment.id)
        assert found is not None
        return found

    def stored(self) -> list[str]:
        return sorted(path.name for path in self.clips.iterdir() if not path.name.startswith("."))

    def manifest(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.clips / name).read_bytes())
        return found


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """What is logged, as it comes."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def chain(journal: Journal, journal_clock: Clock, tmp_path: Path) -> Chain:
    return Chain(journal, journal_clock, tmp_path)


async def test_the_raw_segment_is_stored_first_and_its_clip_beside_it_later(
    chain: Chain, seal_one: SealOne
) -> None:
    owed = await chain.owed(seal_one)
    assert (owed.state, owed.cause) == (S.OWED, "pressure")
    assert chain.stored() == ["k-1.0000.guac", "k-1.0000.guac.json"]
    assert (chain.clips / "k-1.0000.guac").read_bytes() == BODY
    assert (chain.journal.bytes_at_risk(), chain.journal.clips_owed()) == (0, 1)
    await chain.retention.sweep()
    assert (chain.home(owed) / "body.guac").exists(), "the clip is made of it"
    await chain.encoding.work(owed.id)
    await chain.uploading.work(owed.id)
    assert chain.now(owed).state is S.STORED
    assert set(chain.stored()) == {
        *("k-1.0000.guac", "k-1.0000.guac.json", "k-1.0000.jpg", "k-1.0000.json", "k-1.0000.mp4")
    }
    told = chain.manifest("k-1.0000.json")
    assert (told["form"], told["cause"]) == ("clip", "")
    assert [item["role"] for item in told["artifacts"]] == ["raw", "clip", "thumbnail"]
    assert chain.manifest("k-1.0000.guac.json")["cause"] == "pressure"
    assert chain.journal.clips_owed() == 0
    await chain.end(owed)
    await chain.retention.sweep()
    assert chain.now(owed).state is S.PURGED


async def test_under_pressure_the_body_goes_up_alone_and_needs_no_preamble_and_no_copy(
    chain: Chain, seal_one: SealOne
) -> None:
    first = await chain.owed(seal_one)
    second = await chain.owed(seal_one, start=first.end)
    assert second.state is S.OWED
    assert chain.manifest("k-1.0001.guac.json")["segment"]["preamble_length"] == 0
    assert not (chain.home(second) / "segment.guac").exists()
    await chain.encoding.work(second.id)
    assert chain.now(second).state is S.OWED, "its clip waits for the preamble"
    made = chain.spool / "made"
    made.write_bytes(b"4.sync,2.10,1.1;")
    preambles.publish(chain.spool, first, made)
    await chain.encoding.work(second.id)
    await chain.uploading.work(second.id)
    told = chain.manifest("k-1.0001.json")
    assert told["segment"]["preamble_length"] == 0, "as the raw artifact has it"
    assert (chain.clips / "k-1.0001.guac").read_bytes() == BODY


async def test_an_owed_segment_without_a_preamble_has_a_way_out(
    chain: Chain, seal_one: SealOne, events: list[Any]
) -> None:
    first = await chain.owed(seal_one)
    second = await chain.owed(seal_one, start=first.end)
    preambles.give_up(chain.spool, second.recording_id, second.start, "it could not be replayed")
    await chain.encoding.work(second.id)
    waived = chain.now(second)
    assert (waived.state, waived.owed, waived.cause) == (
        *(S.STORED, False),
        "no preamble: it could not be replayed",
    )
    assert events[-1]["event"] == "clip.waived"


async def test_a_clip_that_cannot_be_made_is_waived_and_nothing_goes_up_twice(
    chain: Chain, seal_one: SealOne
) -> None:
    owed = await chain.owed(seal_one)
    chain.encoder.troubles = [WorkerFailed("broken")] * 3
    for _ in range(3):
        await chain.encoding.work(owed.id)
        assert chain.now(owed).state is S.OWED
    await chain.encoding.work(owed.id)
    assert chain.now(owed).state is S.STORED
    assert chain.stored() == ["k-1.0000.guac", "k-1.0000.guac.json"]


@pytest.mark.parametrize("state", [S.OWED, S.ENCODED])
async def test_an_owed_clip_whose_retention_ends_is_waived_and_never_said_to_be_lost(
    chain: Chain, seal_one: SealOne, events: list[Any], state: SegmentState
) -> None:
    owed = await chain.owed(seal_one)
    await chain.end(owed)
    if state is S.ENCODED:
        await chain.encoding.work(owed.id)
    await chain.journal.add_uptime(3599)
    await chain.retention.sweep()
    assert chain.now(owed).state is state
    await chain.journal.add_uptime(2)
    await chain.retention.sweep()
    assert chain.now(owed).state is S.PURGED
    assert not chain.home(owed).exists()
    names = [line["event"] for line in events]
    assert "clip.waived" in names
    assert "segment.expired" not in names


async def test_what_was_not_stored_yet_expires_as_ever(chain: Chain, seal_one: SealOne) -> None:
    segment = await chain.sealed(seal_one)
    await chain.encoding.go_raw(segment.id)
    await chain.journal.add_uptime(3601)
    await chain.retention.sweep()
    assert chain.now(segment).state is S.EXPIRED


async def test_a_crash_at_any_step_leaves_the_debt_as_it_was(
    chain: Chain, seal_one: SealOne
) -> None:
    owed = await chain.owed(seal_one)
    await chain.journal.move_segment(owed.id, SegmentEvent.ENCODE)
    await chain.journal.recover()
    assert chain.now(owed).state is S.OWED
    await chain.encoding.work(owed.id)
    await chain.journal.move_segment(owed.id, SegmentEvent.UPLOAD)
    await chain.journal.recover()
    assert (chain.now(owed).state, chain.now(owed).raw_is_stored) == (S.ENCODED, True)


async def test_only_what_is_stored_raw_is_waived_and_only_that_cannot_expire(
    chain: Chain, seal_one: SealOne
) -> None:
    segment = await chain.sealed(seal_one)
    await chain.encoding.work(segment.id)
    with pytest.raises(IllegalMove):
        await chain.journal.move_segment(segment.id, SegmentEvent.WAIVE)
    owed = await chain.owed(seal_one, start=segment.end)
    await chain.journal.move_segment(owed.id, SegmentEvent.ENCODE)
    await chain.journal.move_segment(owed.id, SegmentEvent.ENCODED)
    with pytest.raises(IllegalMove):
        await chain.journal.move_segment(owed.id, SegmentEvent.EXPIRE)


async def test_no_room_for_the_small_files_leaves_the_segment_as_it_was(
    chain: Chain, seal_one: SealOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await chain.sealed(seal_one)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("kasm_recd.disk.write_atomically", refuse)
        await chain.encoding.go_raw(segment.id)
        await chain.encoding.work(segment.id)
    found = chain.now(segment)
    assert (found.state, found.encode_attempts, chain.full) == (S.SEALED, 0, 2)
    assert len(chain.again) == 2
    await chain.encoding.work(segment.id)
    assert chain.now(segment).state is S.ENCODED


def relief_of(chain: Chain, *, min_free: int, segment_size: int) -> Relief:
    return Relief(
        journal=chain.journal,
        spool=chain.spool,
        recordings=chain.spool,
        min_free=min_free,
        segment_size=segment_size,
        slots=1,
        raw_allowed=True,
        uploads=lambda: 0,
        store_answers=lambda: True,
    )


class Pressed:
    """Relief over a chain, at a level of the test's choice."""

    def __init__(self, chain: Chain) -> None:
        self.relief = relief_of(chain, min_free=0, segment_size=1_000_000)

    def at(self, level: Level) -> Relief:
        self.relief._levels[self.relief._folders[0]] = level
        return self.relief


async def test_in_dire_need_the_oldest_debt_is_waived_whose_segment_can_go(
    chain: Chain, seal_one: SealOne
) -> None:
    first = await chain.owed(seal_one)
    second = await chain.owed(seal_one, start=first.end)
    pressed = Pressed(chain)
    assert not await pressed.at(Level.SHORT).waive_one()
    assert not await pressed.at(Level.DIRE).waive_one(), "both are still to be replayed"
    made = chain.spool / "made"
    made.write_bytes(b"4.sync,2.10,1.1;")
    preambles.publish(chain.spool, first, made)
    assert await pressed.relief.waive_one()
    assert not await pressed.relief.waive_one()
    await chain.retention.sweep()
    assert [chain.now(each).state for each in (first, second)] == [S.PURGED, S.OWED]


async def test_every_switch_is_an_event(
    chain: Chain, events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    relief = relief_of(chain, min_free=500, segment_size=100)
    real = os.statvfs(chain.spool)
    for available in (1000, 550, 551, 400, 100, 1000, 1000):
        room = _Room(real, available)
        monkeypatch.setattr("os.statvfs", lambda _path, room=room: room)
        relief.look()
    switches = [
        (line["before"], line["pressure"], line["log_level"])
        for line in events
        if line["event"] == "disk.pressure"
    ]
    assert switches == [
        ("easy", "near", "warning"),
        ("near", "short", "warning"),
        ("short", "dire", "warning"),
        ("dire", "easy", "info"),
    ]


class _Room:
    """A disk with so many bytes available; all else as it is."""

    def __init__(self, real: os.statvfs_result, available: int) -> None:
        self._real = real
        self.f_bavail, self.f_frsize = available, 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
