"""Operators, held against what Chromium's canvas does, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasm_recd.guacamole.compositing import (
    OPERATORS,
    OVER,
    composite,
    composite_faded,
    premultiplied,
    word,
)
from kasm_recd.guacamole.pixels import Words, octets, words_of

MEASURED = json.loads((Path(__file__).parent / "data" / "compositing.json").read_text())
CLEARING_MASKS = {1, 4, 8, 9, 12}


def _row(pixels: list[list[int]]) -> Words:
    return words_of(np.array([pixels], np.uint8))


def _names(case: dict[str, Any]) -> str:
    return f"{case['mask']}-{case['source']}"


@pytest.mark.parametrize("case", MEASURED, ids=_names)
def test_every_operator_gives_what_the_player_gives(case: dict[str, Any]) -> None:
    target = _row(case["target"])
    if case["source"] == "colour":
        composite(target, word(*case["colour"]), OPERATORS[case["mask"]])
    elif case["source"] == "faded":
        composite_faded(target, _row(case["image"]), case["alpha"])
    else:
        composite(target, _row(case["image"]), OPERATORS[case["mask"]])
    assert octets(target)[0].tolist() == case["result"]


def test_the_measured_cases_cover_every_operator() -> None:
    assert {case["mask"] for case in MEASURED} == set(OPERATORS)


@pytest.mark.parametrize("mask", OPERATORS)
def test_an_operator_clears_exactly_where_a_transparent_source_changes_something(mask: int) -> None:
    target = _row([[40, 50, 60, 255], [1, 2, 3, 9]])
    before = target.copy()
    composite(target, word(0, 0, 0, 0), OPERATORS[mask])
    assert np.array_equal(target, before) != (mask in CLEARING_MASKS)
    assert OPERATORS[mask].clears == (mask in CLEARING_MASKS)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 5), columns=st.integers(1, 40_000))
@settings(max_examples=20, deadline=None)
def test_a_picture_is_the_same_however_it_is_cut_into_strips(
    seed: int, rows: int, columns: int
) -> None:
    random = np.random.default_rng(seed)
    below, above = (
        words_of(premultiplied(random.integers(0, 256, (rows, columns, 4), np.uint8)))
        for _ in range(2)
    )
    whole = below.copy()
    composite(whole, above, OVER)
    for column in {0, columns // 2, columns - 1}:
        part = below[:, column : column + 1].copy()
        composite(part, above[:, column : column + 1], OVER)
        assert np.array_equal(part, whole[:, column : column + 1])
