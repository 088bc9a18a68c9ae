"""Which encoder a segment gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd import disk, encoder_chain
from kasm_recd.contents import Contents
from kasm_recd.encoder import Clip, Job, Picture
from kasm_recd.errors import ClipRejected, DiskFull, EncoderMissing, Unplayable, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Named:
    """An encoder that fails with ``trouble``, or says that it made a clip."""

    def __init__(self, name: str, *, there: bool = True) -> None:
        self.name = name
        self.trouble: Exception | None = None
        self.folders: list[Path] = []
        self._there = there

    def available(self) -> None:
        if not self._there:
            raise EncoderMissing(f"{self.name} is not on PATH", hint="install it")

    async def encode(self, job: Job, **_: Any) -> Clip:
        self.folders.append(job.folder)
        assert not list(job.folder.iterdir())
        if self.trouble is not None:
            (job.folder / "half a clip").touch()
            raise self.trouble
        return Clip(job.folder / "c", job.folder / "t", 1, 2, 2, self.name)


def encoders(*, native: bool = True, guacenc: bool = True) -> dict[str, Named]:
    return {
        "native": Named("native", there=native),
        "guacenc": Named("guacenc", there=guacenc),
    }


MINUTE_MS = 60_000


def names(wanted: Any, contents: Contents, found: dict[str, Named], hold_ms: int = 0) -> list[str]:
    chain = encoder_chain.in_order(wanted, contents, encoders=found, hold_ms=hold_ms)
    return [encoder.name for encoder in chain]


@pytest.mark.parametrize(
    ("gap_ms", "hold_ms", "guacenc", "chain"),
    [
        (0, 0, True, ["native", "guacenc"]),
        (MINUTE_MS, MINUTE_MS, True, ["native", "guacenc"]),
        (MINUTE_MS + 1, 0, True, ["native"]),
        (0, MINUTE_MS + 1, True, ["native"]),
        (0, 0, False, ["native"]),
    ],
)
def test_auto_is_native_and_guacenc_behind_it_unless_it_would_fill_a_long_gap(
    gap_ms: int, hold_ms: int, guacenc: bool, chain: list[str]
) -> None:
    found = encoders(guacenc=guacenc)
    assert names("auto", Contents(longest_gap_ms=gap_ms), found, hold_ms) == chain


def test_a_wish_is_kept_whatever_the_gap() -> None:
    gap = Contents(longest_gap_ms=10 * MINUTE_MS)
    assert names("guacenc", gap, encoders()) == ["guacenc"]
    assert names("native", Contents(), encoders()) == ["native"]


def test_a_wish_for_what_is_not_there_is_an_error_with_a_hint() -> None:
    with pytest.raises(EncoderMissing, match="guacenc is not on PATH") as caught:
        names("guacenc", Contents(), encoders(guacenc=False))
    assert caught.value.hint == "install it"


def test_auto_without_any_encoder_names_the_native_one() -> None:
    with pytest.raises(EncoderMissing, match="native"):
        names("auto", Contents(), encoders(native=False, guacenc=False))


async def test_the_first_that_can_makes_the_clip_and_what_failed_before_is_told(
    make_job: Callable[..., Job],
) -> None:
    native, guacenc = encoders().values()
    job = make_job()
    assert (await encoder_chain.encode((native, guacenc), job)).clip.encoder == "native"
    assert guacenc.folders == []
    disk.clear(job.folder / "native")
    native.trouble = WorkerFailed("worker render failed")
    made = await encoder_chain.encode((native, guacenc), job)
    assert (made.clip.encoder, made.cause) == ("guacenc", "native: worker render failed")
    assert not native.folders[-1].exists(), "what it left takes no room"


async def test_where_all_fail_the_error_tells_of_each(make_job: Callable[..., Job]) -> None:
    native, guacenc = encoders().values()
    native.trouble, guacenc.trouble = WorkerFailed("crashed"), ClipRejected("lost a part")
    with pytest.raises(ClipRejected, match="native: crashed; lost a part"):
        await encoder_chain.encode((native, guacenc), make_job())


async def test_on_a_full_disk_no_other_encoder_is_tried(make_job: Callable[..., Job]) -> None:
    native, guacenc = encoders().values()
    native.trouble = DiskFull("no room")
    with pytest.raises(DiskFull, match="no room"):
        await encoder_chain.encode((native, guacenc), make_job())
    assert guacenc.folders == []


def test_a_segment_without_a_sync_has_no_duration(tmp_path: Path) -> None:
    job = Job(tmp_path / "body.guac", tmp_path, Contents(), 0, Picture(720, 480, 2, 8_000_000))
    with pytest.raises(Unplayable, match=r"body\.guac has no sync"):
        _ = job.duration_ms
