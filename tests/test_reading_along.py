"""A segment that was cut at a glance and is read once: its first encode finds out what it holds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import manifest, preambles
from kasm_recd.contents import Contents, Damage, contents_from_json
from kasm_recd.encoder import Picture
from kasm_recd.encoder_native import NativeEncoder
from kasm_recd.errors import DiskFull, WorkerFailed
from kasm_recd.guacamole.instructions import encode
from kasm_recd.packing import Parcel
from kasm_recd.states import SegmentEvent, SegmentState
from kasm_recd.surveying import Surveyor
from kasm_recd.workers.survey import survey
from tests.test_encoding import LIMITS, ScriptedEncoder, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from kasm_recd.journal import Journal
    from kasm_recd.segment import Segment
    from tests.fixtures_journal import Clock, SealOne

BODY = (
    encode("size", 0, 64, 48)
    + encode("sync", 10)
    + encode("rect", 0, 0, 0, 9, 9)
    + encode("cfill", 14, 0, 1, 2, 3, 255)
    + encode("key", 65, 1)
    + encode("sync", 5_010)
)
HARMED = BODY + b"!" + encode("nop") + encode("sync", 5_020) + encode("sync", 5_030)
WHOLE = BODY.replace(b"3.key", b"3.nop")


class Crash(BaseException):
    """The daemon was killed."""


class Glances(Stage):
    """A stage for segments of which the cut saw the ends alone; the real worker may encode them."""

    def __init__(self, journal: Journal, clock: Clock, spool: Path) -> None:
        super().__init__(journal, clock, spool)
        (spool / preambles.FOLDER).mkdir()
        self.surveys = 0

    def with_the_real_worker(self) -> None:
        self.others["native"] = NativeEncoder(limits=LIMITS)
        self.with_policy()

    async def glanced(
        self,
        seal_one: SealOne,
        body: bytes = BODY,
        *,
        first: int = 10,
        last: int = 5_010,
        **more: Any,
    ) -> Segment:
        given: dict[str, Any] = {
            "length": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "contents": Contents(first, last, 2, surveyed=False),
            "end_timestamp": last,
        }
        segment = await seal_one(self.journal, **(given | more))
        self.home(segment).mkdir(parents=True)
        (self.home(segment) / "body.guac").write_bytes(body)
        return segment

    def now(self, segment: Segment) -> Segment:
        found = self.journal.segment(segment.id)
        assert found is not None
        return found

    def contents_of(self, segment: Segment) -> Contents:
        """As a survey of its own finds them."""
        body = self.home(segment) / "body.guac"
        return contents_from_json(survey(body, start=segment.start)["contents"])


@pytest.fixture
def stage(
    journal: Journal, journal_clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Glances:
    made = Glances(journal, journal_clock, tmp_path)
    real = Surveyor.survey

    async def counted(surveyor: Surveyor, *given: Any) -> Segment:
        made.surveys += 1
        return await real(surveyor, *given)

    monkeypatch.setattr(Surveyor, "survey", counted)
    return made


async def test_it_is_read_once_and_the_journal_and_the_manifest_know_all_of_it(
    stage: Glances, seal_one: SealOne
) -> None:
    stage.with_the_real_worker()
    stage.lacking = True
    oversize = Damage(3, 9, "oversize", "no sync within the segment size")
    contents = Contents(10, 5_010, 2, surveyed=False, damage=(oversize,))
    segment = await stage.glanced(seal_one, contents=contents)
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    assert (done.state, done.encoder, done.cause) == (SegmentState.ENCODED, "native", "")
    known = stage.now(segment)
    assert known == done
    assert known.contents.surveyed
    assert known.contents.damage == (oversize,), "what the cut named stays named"
    assert (known.contents.width, known.contents.drawn) == (64, True)
    told = stage.manifest(segment)
    assert told["contains_keys"]
    assert told["duration_ms"] == pytest.approx(5_000, abs=1)
    assert "surveyed" not in told["segment"]
    assert told["segment"]["sync_count"] == 2
    assert [each.id for each in stage.handed_over] == [segment.id]
    assert stage.surveys == 0
    assert not list((stage.spool / "attempts").iterdir())
    assert not (await stage.journal.recover()).attempts


async def test_what_a_survey_finds_harmed_goes_up_raw_beside_its_clip(
    stage: Glances, seal_one: SealOne
) -> None:
    stage.with_the_real_worker()
    segment = await stage.glanced(seal_one, HARMED, last=5_030)
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    assert done.contents == stage.contents_of(segment)
    assert done.contents.damage
    told = stage.manifest(segment)
    assert [item["role"] for item in told["artifacts"]][:2] == ["raw", "clip"]
    assert told["damage"][0]["start"] == len(BODY)


async def second(
    stage: Glances, seal_one: SealOne, *, end: int, **more: Any
) -> tuple[Segment, Segment]:
    """A segment that shows nothing by itself, behind a preamble of 10 to 5,010 ms."""
    first = await stage.sealed(seal_one)
    body = encode("sync", 5_000) + b"!" + encode("sync", 6_000) + encode("sync", 6_001)
    segment = await stage.glanced(
        seal_one, body, first=5_000, last=6_001, start=first.end, end_timestamp=end, **more
    )
    made = stage.spool / "made"
    made.write_bytes(WHOLE)
    preambles.publish(stage.spool, first, made)
    return first, segment


async def test_it_begins_when_its_preamble_does_and_offsets_are_the_recordings(
    stage: Glances, seal_one: SealOne
) -> None:
    stage.with_the_real_worker()
    _, segment = await second(stage, seal_one, end=6_500)
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    assert (done.contents.first_sync, done.contents.last_sync) == (10, 6_001)
    assert done.contents.drawn
    assert not done.contents.contains_keys
    assert done.began_at == segment.began_at - 4.99
    assert (done.ended_at, done.end_timestamp) == (segment.ended_at, 6_500)
    assert done.contents.damage[0].start == segment.start + len(encode("sync", 5_000))
    assert stage.manifest(segment)["duration_ms"] == pytest.approx(6_490, abs=1)
    assert stage.surveys == 0


@pytest.mark.parametrize("last", [4_000, 5_700])
async def test_a_clip_that_ends_at_another_time_than_the_segment_does_is_not_used(
    stage: Glances, seal_one: SealOne, last: int
) -> None:
    stage.with_the_real_worker()
    stage.lacking = True
    segment = await stage.glanced(seal_one, last=last)
    await stage.stage.work(segment.id)
    (again,) = stage.again
    assert (again.state, again.encode_attempts, again.cause) == (SegmentState.SEALED, 0, "")
    assert again.contents == stage.contents_of(segment)
    assert again.end_timestamp == 5_010
    assert again.ended_at == pytest.approx(segment.ended_at + (5_010 - last) / 1000)
    assert [path.name for path in stage.home(segment).iterdir()] == ["body.guac"]
    assert not (await stage.journal.recover()).attempts
    assert not stage.handed_over
    assert stage.policy.hands_over(again), "replaying waits for the encode that comes now"
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    assert (done.state, done.ended_at) == (SegmentState.ENCODED, again.ended_at)
    assert stage.manifest(segment)["duration_ms"] == pytest.approx(5_000, abs=1)
    assert len(stage.handed_over) == 1
    assert stage.surveys == 0


@pytest.mark.parametrize(
    "body",
    [encode("sync", 10) + encode("sync", 5_010), encode("size", 0, 64, 48) + encode("sync", 10)],
)
async def test_what_shows_nothing_goes_up_raw(
    stage: Glances, seal_one: SealOne, body: bytes
) -> None:
    stage.with_the_real_worker()
    segment = await stage.glanced(seal_one, body)
    while not stage.ready:
        await stage.stage.work(segment.id)
    (raw,) = stage.ready
    assert (raw.state, raw.cause, raw.encode_attempts) == (SegmentState.RAW, "empty", 0)
    assert [path.suffix for path in stage.home(segment).iterdir() if path.suffix == ".mp4"] == []
    assert not stage.policy.hands_over(raw)


async def test_a_body_that_is_not_what_was_cut_is_noticed(
    stage: Glances, seal_one: SealOne
) -> None:
    stage.with_the_real_worker()
    segment = await stage.glanced(seal_one)
    (stage.home(segment) / "body.guac").write_bytes(BODY.replace(b"1.9", b"1.8"))
    await stage.stage.work(segment.id)
    (again,) = stage.again
    assert (again.state, again.contents.surveyed) == (SegmentState.SEALED, False)
    assert "is not what was cut" in again.cause
    for _ in range(4):
        await stage.stage.work(segment.id)
    assert [ready.state for ready in stage.ready] == [SegmentState.RAW]
    assert stage.manifest(segment)["damage"][0]["reason"] == "it could not be read"


async def test_where_the_native_encoder_fails_it_is_surveyed_before_others_are_asked(
    stage: Glances, seal_one: SealOne
) -> None:
    stage.others["guacenc"] = other = ScriptedEncoder()
    other.name = "guacenc"
    stage.with_policy(encoder="auto", attempts=1)
    stage.lacking = True
    stage.encoder.troubles = [WorkerFailed("crashed"), WorkerFailed("crashed again")]
    segment = await stage.glanced(seal_one)
    await stage.stage.work(segment.id)
    (again,) = stage.again
    assert (again.state, again.encode_attempts) == (SegmentState.SEALED, 0)
    assert (again.cause, again.contents.surveyed) == ("crashed", False)
    assert again.next_attempt_at <= stage.clock.now
    assert not stage.policy.hands_over(again), "the preamble is left to replaying"
    assert not other.jobs
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    assert (done.encoder, done.cause) == ("guacenc", "native: crashed again")
    assert [job.survey_from for job in (*stage.encoder.jobs, *other.jobs)] == [0, None, None]
    assert other.jobs[0].contents == done.contents == stage.contents_of(segment)
    assert stage.surveys == 1


async def test_guacenc_does_not_get_a_segment_with_a_gap_that_only_a_survey_finds(
    stage: Glances, seal_one: SealOne
) -> None:
    stage.others["guacenc"] = other = ScriptedEncoder()
    stage.with_policy(encoder="auto")
    stage.encoder.troubles = [WorkerFailed("crashed"), WorkerFailed("crashed again")]
    segment = await stage.glanced(seal_one, BODY + encode("sync", 70_010), last=70_010)
    await stage.stage.work(segment.id)
    await stage.stage.work(segment.id)
    assert [again.encode_attempts for again in stage.again] == [0, 1]
    assert not other.jobs


async def test_a_full_disk_is_still_nobodys_fault(stage: Glances, seal_one: SealOne) -> None:
    stage.encoder.troubles = [DiskFull("no room")]
    segment = await stage.glanced(seal_one)
    await stage.stage.work(segment.id)
    assert stage.again[0].encode_attempts == 0
    assert stage.again[0].next_attempt_at == stage.clock.now + 5
    await stage.stage.work(segment.id)
    assert stage.ready[0].state is SegmentState.ENCODED
    assert stage.surveys == 1


@pytest.mark.parametrize(
    "policy",
    [
        {"picture": Picture(0, 0, 2, 8_000_000)},
        {"picture": Picture(720, 0, 2, 8_000_000)},
        {"encoder": "guacenc"},
    ],
)
async def test_where_no_encode_can_find_out_a_survey_comes_first(
    stage: Glances, seal_one: SealOne, policy: dict[str, Any]
) -> None:
    stage.others["guacenc"] = stage.encoder
    stage.with_policy(**policy)
    segment = await stage.glanced(seal_one)
    await stage.stage.work(segment.id)
    assert stage.ready[0].state is SegmentState.ENCODED
    assert [job.survey_from for job in stage.encoder.jobs] == [None]
    assert stage.encoder.jobs[0].contents == stage.contents_of(segment)
    assert stage.surveys == 1


async def test_without_a_preamble_it_is_surveyed_and_goes_up_raw(
    stage: Glances, seal_one: SealOne
) -> None:
    first = await stage.sealed(seal_one)
    segment = await stage.glanced(seal_one, start=first.end)
    preambles.give_up(stage.spool, first.recording_id, first.end, "it could not be replayed")
    await stage.stage.work(segment.id)
    (raw,) = stage.ready
    assert (raw.state, stage.surveys) == (SegmentState.RAW, 1)
    assert stage.manifest(segment)["damage"] == []
    assert not stage.encoder.jobs


def killed_at(monkeypatch: pytest.MonkeyPatch, on: Any, name: str) -> None:
    """Has the daemon die where it would call that next."""

    def dies(*_: Any, **__: Any) -> None:
        raise Crash

    monkeypatch.setattr(on, name, dies)


async def crashed(stage: Glances, segment: Segment) -> Segment:
    """The segment at the next boot after one that was killed while it worked on it."""
    with pytest.raises(Crash):
        await stage.stage.work(segment.id)
    await stage.journal.recover()
    return stage.now(segment)


@pytest.mark.parametrize(
    ("on", "name", "known"),
    [
        (ScriptedEncoder, "encode", False),
        (Parcel, "publish_clip", True),
        (Parcel, "seal", True),
        (manifest, "write", True),
    ],
)
async def test_a_crash_before_the_manifest_costs_the_clip_and_nothing_else(
    stage: Glances,
    seal_one: SealOne,
    monkeypatch: pytest.MonkeyPatch,
    on: Any,
    name: str,
    *,
    known: bool,
) -> None:
    segment = await stage.glanced(seal_one, HARMED, last=5_030)
    with monkeypatch.context() as patch:
        killed_at(patch, on, name)
        left = await crashed(stage, segment)
    assert (left.state, left.contents.surveyed) == (SegmentState.SEALED, known)
    assert not (stage.home(segment) / manifest.NAME).exists()
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    assert done.state is SegmentState.ENCODED
    assert done.contents == stage.contents_of(segment)
    assert done.ended_at == segment.ended_at
    assert len(stage.manifest(segment)["damage"]) == len(done.contents.damage)
    assert stage.surveys == 0


def refusing(
    move: Callable[..., Awaitable[Segment]], event: SegmentEvent
) -> Callable[..., Awaitable[Segment]]:
    async def moved(segment_id: int, given: SegmentEvent, **changes: Any) -> Segment:
        if given is event:
            raise Crash
        return await move(segment_id, given, **changes)

    return moved


async def test_after_a_crash_behind_the_manifest_the_clip_is_adopted_and_all_is_known(
    stage: Glances, seal_one: SealOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await stage.glanced(seal_one)
    with monkeypatch.context() as patch:
        patch.setattr(
            stage.journal,
            "move_segment",
            refusing(stage.journal.move_segment, SegmentEvent.ENCODED),
        )
        left = await crashed(stage, segment)
    assert left.contents.surveyed
    told = stage.manifest(segment)
    await stage.stage.work(segment.id)
    assert stage.ready[0].contents == stage.contents_of(segment)
    assert (len(stage.encoder.jobs), stage.surveys) == (1, 0)
    assert stage.manifest(segment) == told


async def test_a_crash_behind_a_clip_that_is_not_used_leaves_a_segment_that_is_surveyed(
    stage: Glances, seal_one: SealOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await stage.glanced(seal_one, last=4_000)
    with monkeypatch.context() as patch:
        patch.setattr(
            stage.journal, "move_segment", refusing(stage.journal.move_segment, SegmentEvent.FAILED)
        )
        left = await crashed(stage, segment)
    assert (left.contents.surveyed, left.end_timestamp) == (True, 5_010)
    await stage.stage.work(segment.id)
    assert (stage.ready[0].end_timestamp, stage.surveys) == (5_010, 0)
    assert [job.end_timestamp for job in stage.encoder.jobs] == [4_000, 5_010]


async def test_a_clip_that_the_journal_knows_nothing_of_is_adopted_after_a_survey(
    stage: Glances, seal_one: SealOne
) -> None:
    segment = await stage.glanced(seal_one)
    await stage.stage.work(segment.id)
    first = stage.ready[0]
    # As if the journal had not heard of it: the same folder, sealed in another one.
    stage.journal = type(stage.journal).open(stage.spool / "another.db", clock=stage.clock)
    again = await seal_one(
        stage.journal,
        **{name: getattr(segment, name) for name in ("length", "sha256", "contents")},
    )
    await stage.with_policy().work(again.id)
    assert stage.ready[1].artifacts == first.artifacts
    assert stage.ready[1].contents == first.contents
    assert (len(stage.encoder.jobs), stage.surveys) == (1, 1)
    await stage.journal.close()
