"""Which encoder a segment gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.encoder import Job, Picture, choose
from kasm_recd.errors import EncoderMissing, Unplayable
from kasm_recd.segment import Contents

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.encoder import Clip, Encoder


class Named:
    """An encoder in name only."""

    def __init__(self, name: str, *, there: bool = True) -> None:
        self.name = name
        self._there = there

    def available(self) -> None:
        if not self._there:
            raise EncoderMissing(f"{self.name} is not on PATH", hint="install it")

    async def encode(self, job: Job, **_: Any) -> Clip:
        raise NotImplementedError


def encoders(*, native: bool = True, guacenc: bool = True) -> dict[str, Encoder]:
    return {
        "native": Named("native", there=native),
        "guacenc": Named("guacenc", there=guacenc),
    }


MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("gap_ms", "hold_ms", "guacenc", "chosen"),
    [
        (0, 0, True, "guacenc"),
        (MINUTE_MS, MINUTE_MS, True, "guacenc"),
        (MINUTE_MS + 1, 0, True, "native"),
        (0, MINUTE_MS + 1, True, "native"),
        (0, 0, False, "native"),
    ],
)
def test_auto_takes_guacenc_where_it_is_unless_it_would_fill_a_long_gap(
    gap_ms: int, hold_ms: int, guacenc: bool, chosen: str
) -> None:
    found = choose(
        "auto",
        Contents(longest_gap_ms=gap_ms),
        encoders=encoders(guacenc=guacenc),
        hold_ms=hold_ms,
    )
    assert found.name == chosen


def test_a_wish_is_kept_whatever_the_gap() -> None:
    gap = Contents(longest_gap_ms=10 * MINUTE_MS)
    assert choose("guacenc", gap, encoders=encoders()).name == "guacenc"
    assert choose("native", Contents(), encoders=encoders()).name == "native"


def test_a_wish_for_what_is_not_there_is_an_error_with_a_hint() -> None:
    with pytest.raises(EncoderMissing, match="guacenc is not on PATH") as caught:
        choose("guacenc", Contents(), encoders=encoders(guacenc=False))
    assert caught.value.hint == "install it"


def test_auto_without_any_encoder_names_the_native_one() -> None:
    with pytest.raises(EncoderMissing, match="native"):
        choose("auto", Contents(), encoders=encoders(native=False, guacenc=False))


def test_a_segment_without_a_sync_has_no_duration(tmp_path: Path) -> None:
    job = Job(tmp_path / "body.guac", tmp_path, Contents(), 0, Picture(720, 480, 2, 8_000_000))
    with pytest.raises(Unplayable, match=r"body\.guac has no sync"):
        _ = job.duration_ms
