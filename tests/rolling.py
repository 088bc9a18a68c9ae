"""A recording that can be of any size and costs little to encode, and what became of its rolls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kasm_recd.guacamole.instructions import encode

if TYPE_CHECKING:
    from pathlib import Path

MB = 1_000_000
#: One frame: bytes that nobody draws, a rectangle that changes its colour, a sync.
STEP_MS = 100


def make_recording(size: int, *, first_ms: int = 5_000_000) -> bytes:
    """About ``size`` bytes; every frame has about 20 kB and lasts 100 ms."""
    parts, length, frame = [encode("size", 0, 320, 240)], 0, 0
    while length < size:
        part = b"".join(
            (
                *(encode("blob", 9, "AAAA" * 1500) for _ in range(3)),
                encode("rect", 0, 0, 0, 320, 240),
                encode("cfill", 14, 0, frame % 256, 40, 90, 255),
                encode("sync", first_ms + frame * STEP_MS, 1),
            )
        )
        parts.append(part)
        length += len(part)
        frame += 1
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Stored:
    """One segment in a folder's store: its manifest, and its bytes where they went up raw."""

    manifest: dict[str, Any]
    raw: bytes

    @property
    def body(self) -> bytes:
        return self.raw[self.manifest["segment"]["preamble_length"] :]

    @property
    def preamble(self) -> bytes:
        return self.raw[: self.manifest["segment"]["preamble_length"]]

    @property
    def bounds(self) -> tuple[int, int]:
        segment = self.manifest["segment"]
        return segment["start"], segment["start"] + segment["length"]


def stored(clips: Path, kasm_id: str) -> list[Stored]:
    """The session's segments, by their numbers."""
    return [
        Stored(json.loads(manifest.read_bytes()), raw.read_bytes())
        for raw in sorted(clips.glob(f"{kasm_id}.*.guac"))
        # What went up raw under pressure may have no clip, and then has a manifest of its own.
        if (manifest := raw.with_suffix(".json")).exists()
        or (manifest := raw.with_suffix(".guac.json")).exists()
    ]
