"""One attempt at one segment: what is published, what is adopted, and when it goes up raw."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import disk, manifest, preambles, process
from kasm_recd.contents import Contents, Damage, Survey
from kasm_recd.encoder import Clip, Picture
from kasm_recd.encoding import EncodePolicy, EncodeStage
from kasm_recd.errors import ClipRejected, DiskFull, EncoderMissing, WorkerFailed
from kasm_recd.states import SegmentEvent, SegmentState
from kasm_recd.surveying import Surveyor, told
from kasm_recd.workers.survey import survey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kasm_recd.encoder import Encoder, Job
    from kasm_recd.journal import Journal
    from kasm_recd.segment import Segment
    from tests.fixtures_journal import Clock, SealOne

LIMITS = process.Limits(memory=1_000_000_000, file_size=10_000_000, cpu_seconds=60, deadline_s=60.0)
BODY = b"4.size,1.0,3.640,3.480;"


class ScriptedEncoder:
    """Makes a clip of a few bytes, or fails with what is next in ``troubles``."""

    name = "native"

    def __init__(self) -> None:
        self.troubles: list[Exception] = []
        self.damage: tuple[Damage, ...] = ()
        self.seek_aids: Mapping[str, str] = {}
        self.jobs: list[Job] = []

    def available(self) -> None: ...

    async def encode(self, job: Job, *, on_start: Any = None, on_progress: Any = None) -> Clip:
        del on_start, on_progress
        self.jobs.append(job)
        assert job.folder.is_dir()
        if self.troubles:
            raise self.troubles.pop(0)
        clip, thumbnail = job.folder / "clip.mp4", job.folder / "thumbnail.jpg"
        clip.write_bytes(b"clip %d" % len(self.jobs))
        thumbnail.write_bytes(b"picture")
        following = job.folder / "following.guac" if job.hand_over else None
        if following:
            following.write_bytes(b"4.sync,2.10,1.1;")
        aids = {}
        for role, name in self.seek_aids.items():
            aids[role] = job.folder / name
            aids[role].write_bytes(name.encode())
        size = (720, 480)
        clip_ = Clip(clip, thumbnail, 5_000, *size, self.name, self.damage, following, aids)
        return replace(clip_, survey=surveyed(job))


def surveyed(job: Job) -> Survey | None:
    """What the native encoder finds on the way, where it is to."""
    if job.survey_from is None:
        return None
    return told(survey(job.body, start=job.survey_from, preamble=job.preamble))


class Stage:
    """An encode stage on a real journal and spool, with a scripted encoder."""

    def __init__(self, journal: Journal, clock: Clock, spool: Path) -> None:
        self.journal, self.clock, self.spool = journal, clock, spool
        self.encoder = ScriptedEncoder()
        self.ready: list[Segment] = []
        self.again: list[Segment] = []
        self.handed_over: list[Segment] = []
        self.lacking = False
        self.others: dict[str, Encoder] = {}
        (spool / "attempts").mkdir()
        self.stage = self.with_policy()

    def with_policy(self, **changes: Any) -> EncodeStage:
        fields: dict[str, Any] = {
            "encoder": "native",
            "raw_upload": "damaged",
            "picture": Picture(720, 480, 2, 8_000_000),
            "attempts": 3,
        }
        self.policy = EncodePolicy(**(fields | changes))
        self.stage = EncodeStage(
            journal=self.journal,
            spool=self.spool,
            encoders={"native": self.encoder, **self.others},
            surveyor=Surveyor(journal=self.journal, spool=self.spool, limits=LIMITS),
            policy=self.policy,
            on_ready=self.ready.append,
            on_again=self.again.append,
            on_handed_over=self.handed_over.append,
            lacks_follower=lambda _segment: self.lacking,
            now=self.clock,
        )
        return self.stage

    def home(self, segment: Segment) -> Path:
        return self.spool / "segments" / segment.folder

    async def sealed(self, seal_one: SealOne, **changes: Any) -> Segment:
        segment = await seal_one(self.journal, **({"length": len(BODY)} | changes))
        self.home(segment).mkdir(parents=True)
        (self.home(segment) / "body.guac").write_bytes(BODY)
        return segment

    def manifest(self, segment: Segment) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home(segment) / manifest.NAME).read_bytes())
        return found


@pytest.fixture
def stage(journal: Journal, journal_clock: Clock, tmp_path: Path) -> Stage:
    return Stage(journal, journal_clock, tmp_path)


WHOLE = Contents(10, 5_010, 3, 4_000, 640, 480, drawn=True)


async def test_clip_thumbnail_and_manifest_are_published_and_the_attempt_leaves_nothing(
    stage: Stage, seal_one: SealOne
) -> None:
    segment = await stage.sealed(seal_one, contents=WHOLE)
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    assert done.state is SegmentState.ENCODED
    assert [item.role for item in done.artifacts] == ["clip", "thumbnail", "manifest"]
    for item in done.artifacts:
        path = stage.home(segment) / item.name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == item.sha256
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stage.manifest(segment)["encoder"] == "native"
    assert stage.manifest(segment)["seek_aids"] is False, "this encoder made none"
    assert not list((stage.spool / "attempts").iterdir())
    assert not (await stage.journal.recover()).attempts


async def test_seek_aids_are_published_with_the_clip_and_named_in_its_manifest(
    stage: Stage, seal_one: SealOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.encoder.seek_aids = manifest.SEEK_AIDS
    durable: list[str] = []
    publish = disk.publish

    def noted(path: Path, to: Path) -> None:
        publish(path, to)  # which ends with an fsync of file and folder
        durable.append(to.name)

    monkeypatch.setattr(disk, "publish", noted)
    segment = await stage.sealed(seal_one, contents=WHOLE)
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    names = ["clip.mp4", "thumbnail.jpg", "sprites.jpg", "sprites.vtt", "activity.json"]
    assert durable == names
    told = stage.manifest(segment)
    assert told["seek_aids"] is True
    assert [item["name"] for item in told["artifacts"]] == names
    for item in told["artifacts"]:
        path = stage.home(segment) / item["name"]
        assert item["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert item["size"] == path.stat().st_size
    adopted = manifest.adopt(stage.home(segment))
    assert adopted is not None
    assert adopted[1] == done.artifacts, "a crash right then would take them over"


async def test_three_failures_send_the_segment_up_raw_and_nothing_is_thrown_away(
    stage: Stage, seal_one: SealOne
) -> None:
    segment = await stage.sealed(seal_one)
    stage.encoder.troubles = [
        WorkerFailed("killed by SIGSEGV"),
        ClipRejected("no moov"),
        EncoderMissing("gone"),
    ]
    waits = []
    for _ in range(3):
        await stage.stage.work(segment.id)
        waits.append(stage.again[-1].next_attempt_at - stage.clock.now)
    assert waits == [5, 20, 0], "it waits longer each time, but not for what is not tried again"
    await stage.stage.work(segment.id)
    (raw,) = stage.ready
    assert (raw.state, raw.cause) == (SegmentState.RAW, "gone")
    assert [item.role for item in raw.artifacts] == ["raw", "manifest"]
    assert (stage.home(segment) / "body.guac").read_bytes() == BODY
    assert (stage.manifest(segment)["form"], stage.manifest(segment)["cause"]) == ("raw", "gone")


async def test_a_full_disk_is_not_the_segments_fault(stage: Stage, seal_one: SealOne) -> None:
    segment = await stage.sealed(seal_one)
    stage.encoder.troubles = [DiskFull("no room"), OSError(28, "No space left on device")] * 3
    for _ in range(6):
        await stage.stage.work(segment.id)
    assert {again.encode_attempts for again in stage.again} == {0}
    await stage.stage.work(segment.id)
    assert stage.ready[0].state is SegmentState.ENCODED


async def test_what_a_crash_left_finished_is_adopted_not_made_again(
    stage: Stage, seal_one: SealOne
) -> None:
    segment = await stage.sealed(seal_one)
    await stage.stage.work(segment.id)
    first = stage.ready[0]
    # As if the journal had not heard of it: the same folder, sealed in another one.
    stage.journal = type(stage.journal).open(stage.spool / "another.db", clock=stage.clock)
    again = await seal_one(stage.journal, length=len(BODY))
    await stage.with_policy().work(again.id)
    assert stage.ready[1].artifacts == first.artifacts
    assert len(stage.encoder.jobs) == 1
    await stage.journal.close()


async def test_a_leftover_that_was_harmed_is_made_anew(stage: Stage, seal_one: SealOne) -> None:
    segment = await stage.sealed(seal_one)
    (stage.home(segment) / manifest.NAME).write_text('{"artifacts": [], "form"')
    await stage.stage.work(segment.id)
    assert stage.ready[0].state is SegmentState.ENCODED
    assert stage.manifest(segment)["artifacts"]


async def test_an_operators_retry_makes_a_clip_after_all(stage: Stage, seal_one: SealOne) -> None:
    segment = await stage.sealed(seal_one)
    stage.encoder.troubles = [WorkerFailed("broken")] * 3
    for _ in range(4):
        await stage.stage.work(segment.id)
    await stage.journal.move_segment(segment.id, SegmentEvent.RETRY)
    await stage.stage.work(segment.id)
    assert [ready.state for ready in stage.ready] == [SegmentState.RAW, SegmentState.ENCODED]
    assert stage.manifest(segment)["form"] == "clip"


@pytest.mark.parametrize(
    ("raw_upload", "damaged", "kept"),
    [
        ("damaged", True, True),
        ("damaged", False, False),
        ("always", False, True),
        ("never", True, False),
    ],
)
async def test_whether_the_segment_itself_goes_up_beside_its_clip(
    stage: Stage, seal_one: SealOne, raw_upload: str, damaged: bool, kept: bool
) -> None:
    harm = (Damage(3, 9, "invalid", "wrong length"),) if damaged else ()
    contents = Contents(10, 5_010, 3, 4_000, 640, 480, drawn=True, damage=harm)
    segment = await stage.sealed(seal_one, contents=contents)
    await stage.with_policy(raw_upload=raw_upload).work(segment.id)
    roles = [item["role"] for item in stage.manifest(segment)["artifacts"]]
    assert roles == (["raw"] if kept else []) + ["clip", "thumbnail"]


async def test_what_the_encoder_could_not_draw_is_named_in_the_manifest(
    stage: Stage, seal_one: SealOne
) -> None:
    stage.encoder.damage = (Damage(5, 7, "unsupported", "img: too large"),)
    segment = await stage.sealed(seal_one, contents=WHOLE)
    await stage.stage.work(segment.id)
    assert stage.manifest(segment)["damage"] == [
        {"start": 5, "end": 7, "kind": "unsupported", "reason": "img: too large"}
    ]


async def test_a_segment_with_nothing_to_see_is_never_encoded(
    stage: Stage, seal_one: SealOne
) -> None:
    segment = await stage.sealed(seal_one, contents=Contents(sync_count=1, first_sync=1))
    await stage.stage.work(segment.id)
    assert (stage.ready[0].state, stage.ready[0].cause) == (SegmentState.RAW, "empty")
    assert not stage.encoder.jobs


async def second(stage: Stage, seal_one: SealOne) -> tuple[Segment, Segment]:
    (stage.spool / preambles.FOLDER).mkdir()
    first = await stage.sealed(seal_one, contents=WHOLE)
    return first, await stage.sealed(seal_one, contents=WHOLE, start=first.end)


async def test_a_later_segment_waits_for_its_preamble_and_is_encoded_behind_it(
    stage: Stage, seal_one: SealOne
) -> None:
    first, segment = await second(stage, seal_one)
    await stage.with_policy(raw_upload="always").work(segment.id)
    assert (stage.ready, stage.again) == ([], []), "the replay offers it again"
    made = stage.spool / "made"
    made.write_bytes(b"4.sync,2.10,1.1;")
    preambles.publish(stage.spool, first, made)
    stage.encoder.damage = (Damage(16 + 3, 16 + 7, "unsupported", "seen by the encoder"),)
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    opening = preambles.of(stage.spool, segment)
    assert opening is not None
    assert stage.encoder.jobs[0].preamble == opening.path
    raw = next(item for item in done.artifacts if item.role == "raw")
    assert (stage.home(segment) / raw.name).read_bytes() == b"4.sync,2.10,1.1;" + BODY
    told = stage.manifest(segment)
    assert told["segment"]["preamble_length"] == 16
    assert told["damage"][-1]["start"] == segment.start + 3, "counted in the recording"
    assert manifest.adopt(stage.home(segment)) is not None


async def test_without_a_preamble_the_body_goes_up_alone_and_the_cause_is_named(
    stage: Stage, seal_one: SealOne
) -> None:
    first, segment = await second(stage, seal_one)
    preambles.give_up(stage.spool, first.recording_id, first.end, "it could not be replayed")
    await stage.stage.work(segment.id)
    (raw,) = stage.ready
    assert raw.state is SegmentState.RAW
    assert raw.cause == "no preamble: it could not be replayed"
    assert raw.artifacts[0].name == "body.guac"
    assert stage.manifest(segment)["segment"]["preamble_length"] == 0


async def test_the_first_attempt_makes_what_the_next_segment_plays_from(
    stage: Stage, seal_one: SealOne
) -> None:
    first, following = await second(stage, seal_one)
    stage.lacking = True
    assert stage.policy.hands_over(first)
    await stage.stage.work(first.id)
    assert [segment.id for segment in stage.handed_over] == [first.id]
    opening = preambles.of(stage.spool, following)
    assert opening is not None
    assert opening.path is not None
    assert opening.path.read_bytes() == b"4.sync,2.10,1.1;"
    assert not stage.policy.hands_over(stage.ready[0]), "what is encoded makes no more"
    stage.lacking = False
    await stage.stage.work(following.id)
    assert [job.hand_over for job in stage.encoder.jobs] == [True, False]


async def test_after_a_failure_the_preamble_is_left_to_replaying(
    stage: Stage, seal_one: SealOne
) -> None:
    first, _ = await second(stage, seal_one)
    stage.lacking = True
    stage.encoder.troubles = [DiskFull("no room")]
    await stage.stage.work(first.id)
    assert not stage.policy.hands_over(stage.again[0])
    await stage.stage.work(first.id)
    assert [job.hand_over for job in stage.encoder.jobs] == [True, False]
    assert stage.handed_over == []
    stage.with_policy(encoder="guacenc")
    assert not stage.policy.hands_over(first)


async def test_what_kept_the_first_encoder_from_it_is_in_the_manifest(
    stage: Stage, seal_one: SealOne
) -> None:
    other = ScriptedEncoder()
    other.name = "guacenc"
    stage.encoder.troubles = [WorkerFailed("crashed")]
    stage.others["guacenc"] = other
    segment = await stage.sealed(seal_one, contents=WHOLE)
    await stage.with_policy(encoder="auto").work(segment.id)
    told = stage.manifest(segment)
    assert (told["form"], told["encoder"], told["cause"]) == ("clip", "guacenc", "native: crashed")
