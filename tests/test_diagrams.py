from __future__ import annotations

import re

import pytest

from kasm_recd.states import RecordingState, SegmentState
from tests import diagrams


def test_the_diagrams_in_architecture_md_are_those_of_the_tables() -> None:
    text = diagrams.ARCHITECTURE.read_text()

    assert diagrams.with_diagrams(text) == text, "run: python -m tests.diagrams"


def test_a_diagram_shows_every_move() -> None:
    drawn = diagrams.segment_states()

    assert drawn.startswith("stateDiagram-v2\n    [*] --> sealed\n")
    assert "    sealed --> raw: give_up, empty, pressure\n" in drawn
    assert "    uploading --> raw: failed (raw), restart (raw)\n" in drawn
    assert "    purged --> [*]\n" in drawn
    for states, text in (
        (SegmentState, drawn),
        (RecordingState, diagrams.recording_states()),
    ):
        assert set(states) == {*re.findall(r"\w+(?= -->)|(?<=--> )\w+", text)}


def test_a_text_without_a_place_for_a_diagram_is_refused() -> None:
    with pytest.raises(ValueError, match="segment-states"):
        diagrams.with_diagrams("# Architecture\n")
