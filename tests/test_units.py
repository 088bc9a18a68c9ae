from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd import units

if TYPE_CHECKING:
    from decimal import Decimal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (0, 0),
        (150, 150),
        ("150", 150),
        ("150MB", 150_000_000),
        (" 150 mb ", 150_000_000),
        ("1.5GB", 1_500_000_000),
        ("64MiB", 64 * 2**20),
        ("2TB", 2 * 10**12),
        (2e6, 2_000_000),
    ],
)
def test_a_size_is_read_in_bytes(text: object, expected: int) -> None:
    assert units.size(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MB",
        "-1",
        "1.5",
        "0.0001kB",
        "12 apples",
        "1 500",
        "10M",
        True,
        None,
        [],
        "inf",
        "\u0661MB",
    ],
)
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        units.size(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (30, 30.0),
        (0.5, 0.5),
        ("30", 30.0),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("10m", 600.0),
        ("1.5h", 5400.0),
        ("7d", 604_800.0),
    ],
)
def test_a_duration_is_read_in_seconds(text: object, expected: float) -> None:
    assert units.duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1 fortnight", False, None, float("nan"), float("inf"), "1h30m"]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"duration|unit of time"):
        units.duration(text)


@given(st.text(), st.sampled_from([units.size, units.duration]))
def test_any_text_is_read_or_refused_with_a_value_error(text: str, read: object) -> None:
    assert callable(read)
    with contextlib.suppress(ValueError):
        assert read(text) >= 0


@given(st.decimals(min_value=0, max_value=10**6, places=3))
def test_a_size_is_exact_whatever_its_fraction(amount: Decimal) -> None:
    assert units.size(f"{amount}GB") == int(amount * 10**9)
