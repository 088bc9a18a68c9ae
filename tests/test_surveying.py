"""A segment that was cut at a glance: what it holds is known before anything is made of it.

Here its picture is to have the display's own size, so that no encode can begin before that; what
one finds out on the way is in tests/test_reading_along.py.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from kasm_recd import manifest, preambles
from kasm_recd.contents import Contents, Damage
from kasm_recd.encoder import Picture
from kasm_recd.guacamole.instructions import encode
from kasm_recd.states import Form, SegmentState
from tests.test_encoding import Stage
from tests.values import make_recording, make_segment, make_session

if TYPE_CHECKING:
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
GLANCED = Contents(first_sync=10, last_sync=5_010, sync_count=2, surveyed=False)


@pytest.fixture
def stage(journal: Journal, journal_clock: Clock, tmp_path: Path) -> Stage:
    made = Stage(journal, journal_clock, tmp_path)
    made.with_policy(picture=Picture(0, 0, 2, 8_000_000))
    return made


async def glanced(
    stage: Stage, seal_one: SealOne, body: bytes = BODY, contents: Contents = GLANCED
) -> Segment:
    segment = await seal_one(
        stage.journal,
        length=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        contents=contents,
    )
    stage.home(segment).mkdir(parents=True)
    (stage.home(segment) / "body.guac").write_bytes(body)
    return segment


async def test_it_is_read_before_it_is_encoded_and_the_journal_knows(
    stage: Stage, seal_one: SealOne
) -> None:
    oversize = Damage(3, 9, "oversize", "no sync within the segment size")
    contents = Contents(10, 5_010, 2, surveyed=False, damage=(oversize,))
    segment = await glanced(stage, seal_one, contents=contents)
    await stage.stage.work(segment.id)
    (done,) = stage.ready
    assert done.state is SegmentState.ENCODED
    known = stage.journal.segment(segment.id)
    assert known is not None
    assert known.contents.surveyed
    assert known.contents.damage == (oversize,), "what the cut named stays named"
    assert (known.contents.width, known.contents.drawn) == (64, True)
    assert stage.encoder.jobs[0].contents == known.contents
    assert stage.manifest(segment)["contains_keys"]
    assert "surveyed" not in stage.manifest(segment)["segment"]
    assert not list((stage.spool / "attempts").iterdir())
    assert not (await stage.journal.recover()).attempts


async def test_what_shows_nothing_goes_up_raw(stage: Stage, seal_one: SealOne) -> None:
    body = encode("sync", 10) + encode("sync", 5_010)
    segment = await glanced(stage, seal_one, body)
    await stage.stage.work(segment.id)
    assert (stage.ready[0].state, stage.ready[0].cause) == (SegmentState.RAW, "empty")
    assert not stage.encoder.jobs


async def test_it_is_read_behind_its_preamble(stage: Stage, seal_one: SealOne) -> None:
    (stage.spool / preambles.FOLDER).mkdir()
    first = await stage.sealed(seal_one)
    body = encode("sync", 5_000) + encode("sync", 6_000)
    contents = Contents(5_000, 6_000, 2, surveyed=False)
    segment = await seal_one(
        stage.journal,
        start=first.end,
        length=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        contents=contents,
        end_timestamp=6_000,
    )
    stage.home(segment).mkdir(parents=True)
    (stage.home(segment) / "body.guac").write_bytes(body)
    made = stage.spool / "made"
    made.write_bytes(BODY.replace(b"3.key", b"3.nop"))
    preambles.publish(stage.spool, first, made)
    await stage.stage.work(segment.id)
    assert stage.ready[0].state is SegmentState.ENCODED
    told = stage.encoder.jobs[0].contents
    assert (told.first_sync, told.last_sync, told.drawn) == (10, 6_000, True)
    known = stage.journal.segment(segment.id)
    assert known is not None
    assert known.began_at == segment.began_at - 4.99, "it begins when its preamble does"
    assert known.ended_at == segment.ended_at


async def test_a_body_that_is_not_what_was_cut_goes_up_raw_and_is_named_damaged(
    stage: Stage, seal_one: SealOne
) -> None:
    segment = await glanced(stage, seal_one)
    harmed = BODY.replace(b"1.9", b"1.8")
    (stage.home(segment) / "body.guac").write_bytes(harmed)
    for _ in range(3):
        await stage.stage.work(segment.id)
        assert stage.again[-1].state is SegmentState.SEALED
        assert not stage.again[-1].contents.surveyed
    await stage.stage.work(segment.id)
    (raw,) = stage.ready
    assert raw.state is SegmentState.RAW
    assert "is not what was cut" in raw.cause
    assert not stage.encoder.jobs
    told = stage.manifest(segment)
    assert told["damage"] == [
        {"start": 0, "end": segment.end, "kind": "doubtful", "reason": "it could not be read"}
    ]


def test_no_manifest_is_made_of_a_segment_that_nobody_read() -> None:
    with pytest.raises(ValueError, match="nobody knows what it holds"):
        manifest.compose(
            make_session(),
            make_recording(),
            make_segment(contents=GLANCED),
            form=Form.RAW,
            artifacts=[],
            duration_ms=0,
        )
