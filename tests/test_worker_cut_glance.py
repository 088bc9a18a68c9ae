"""A large body is cut by a look at its ends: as by reading it all, but for what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.contents import Contents, contents_from_json
from kasm_recd.guacamole.contents import summarise
from kasm_recd.guacamole.instructions import encode, read
from kasm_recd.workers import seams
from kasm_recd.workers.bounds import GLANCE, Limits
from kasm_recd.workers.cut import cut
from kasm_recd.workers.survey import survey
from tests.rolling import MB, make_recording

if TYPE_CHECKING:
    from pathlib import Path

FIRST_MS = 5_000_000
LIMITS = Limits(10 * MB, 20 * MB)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "recording"
    path.write_bytes(make_recording(22 * MB, first_ms=FIRST_MS))
    return path


def both(recording: Path, folder: Path, **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The result at a glance and by reading all; the bodies are the same."""
    results = []
    for at_a_glance in (True, False):
        body = folder / f"body-{at_a_glance}"
        body.unlink(missing_ok=True)
        results.append(cut(recording, body, **given, at_a_glance=at_a_glance))
    assert (folder / "body-True").read_bytes() == (folder / "body-False").read_bytes()
    return results[0], results[1]


def test_the_cut_is_the_same_and_a_survey_tells_the_rest(large: Path, tmp_path: Path) -> None:
    start, before = 0, None
    for number in range(2):
        glanced, read_whole = both(
            *(large, tmp_path), start=start, limits=LIMITS, after_sync=before
        )
        contents = contents_from_json(glanced.pop("contents"))
        whole = contents_from_json(read_whole.pop("contents"))
        assert glanced == read_whole
        assert not contents.surveyed
        assert (contents.first_sync, contents.last_sync) == (whole.first_sync, whole.last_sync)
        told = survey(tmp_path / "body-True", start=start)
        assert told["sha256"] == glanced["sha256"]
        if number == 0:
            assert contents_from_json(told["contents"]) == whole
        start, before = start + glanced["length"], glanced["timestamp"]


def test_what_a_tail_holds_is_told_up_to_its_last_sync(large: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    torn.write_bytes(large.read_bytes() + encode("mouse", 1, 1) + b"4.siz")
    glanced, read_whole = both(torn, tmp_path, start=12 * MB, after_sync=FIRST_MS)
    assert glanced["length"] == torn.stat().st_size - 12 * MB
    assert glanced["timestamp"] == read_whole["timestamp"]
    told = survey(tmp_path / "body-True", start=12 * MB)
    assert told["contents"]["damage"][-1]["kind"] == "torn"
    assert told["contents"]["damage"] == read_whole["contents"]["damage"]


def test_a_survey_reads_the_preamble_first(tmp_path: Path) -> None:
    preamble, body = tmp_path / "preamble", tmp_path / "body"
    preamble.write_bytes(encode("size", 0, 64, 48) + encode("sync", 1_000))
    body.write_bytes(encode("sync", 1_500) + b"!" + encode("sync", 1_700) + encode("sync", 1_900))
    contents = contents_from_json(survey(body, start=700, preamble=preamble)["contents"])
    assert (contents.first_sync, contents.last_sync, contents.width) == (1_000, 1_900, 64)
    assert contents.damage[0].start == 700 + len(encode("sync", 1_500))


TITLE = encode("name", "make; ;4.sync,7.9999999,1.1; ./run")


def test_where_titles_leave_no_proof_all_of_it_is_read(large: Path, tmp_path: Path) -> None:
    recording = tmp_path / "recording"
    frame = encode("blob", 1, "QUJD" * 1_500) + TITLE
    recording.write_bytes(large.read_bytes()[: 1 * MB] + frame * (10 * MB // len(frame)))
    glanced, read_whole = both(recording, tmp_path, start=0, limits=LIMITS)
    assert glanced == read_whole
    assert contents_from_json(glanced["contents"]).surveyed
    assert glanced["length"] <= 1 * MB


@pytest.mark.parametrize(("before_ms", "believed"), [(3_600_000, True), (-61_000, False)])
def test_a_time_that_does_not_follow_is_not_believed_at_a_glance(
    large: Path, before_ms: int, *, believed: bool
) -> None:
    with large.open("rb") as file:
        size = large.stat().st_size
        seam = seams.glance(file.fileno(), 0, size, None, None)
        assert seam is not None
        assert seam.timestamp is not None
        after_sync = seam.timestamp - before_ms
        assert bool(seams.glance(file.fileno(), 0, size, None, after_sync)) == believed


def test_what_is_small_is_read_at_once(large: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(large.read_bytes()[:GLANCE])
    contents = cut(small, tmp_path / "body", start=0, at_a_glance=True)["contents"]
    assert contents_from_json(contents) == summarise(read([small.read_bytes()]))


def test_of_a_live_recording_the_last_byte_stays(tmp_path: Path) -> None:
    """So there is a last segment, and the time after its last sync is in it."""
    live = tmp_path / "live"
    frames = [encode("size", 0, 64, 48) + encode("sync", 1_000), encode("sync", 2_000)]
    live.write_bytes(b"".join(frames))
    limits = Limits(10_000, 20_000)
    assert cut(live, tmp_path / "a", start=0, limits=limits, live=True)["length"] == len(frames[0])
    rest = cut(live, tmp_path / "b", start=len(frames[0]), limits=limits, live=True)
    assert (rest["length"], rest["more"]) == (0, True)
    assert contents_from_json(rest["contents"]) == Contents()
    ended = cut(live, tmp_path / "c", start=len(frames[0]))
    assert ended["length"] == len(frames[1])
