"""The manifest: what a clip proves, in JSON beside it.

Made once, before a segment is ``encoded`` or ``raw``, and never again: it names the digests of
every file that goes up with it, so a manifest in the store can be held against the objects beside
it. It does not name its own key: the files of a segment share a stem, whatever that stem became.

All times are UTC in ISO 8601 with milliseconds; all sizes are bytes; digests are hex SHA-256.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kasm_recd import __version__, disk
from kasm_recd.contents import contents_to_json
from kasm_recd.errors import ClipRejected
from kasm_recd.segment import Artifact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kasm_recd.recording import Recording
    from kasm_recd.segment import Segment
    from kasm_recd.session import Session
    from kasm_recd.states import Form

NAME = "manifest.json"
FORMAT = 1
CONTENT_TYPES: Mapping[str, str] = {
    "clip": "video/mp4",
    "thumbnail": "image/jpeg",
    "sprites": "image/jpeg",
    "sprite_index": "text/vtt",
    "activity": "application/json",
    "raw": "application/octet-stream",
    "manifest": "application/json",
}
#: What a viewer finds its way in a clip by. The native encoder alone makes it, and makes all of it.
SEEK_AIDS: Mapping[str, str] = {
    "sprites": "sprites.jpg",
    "sprite_index": "sprites.vtt",
    "activity": "activity.json",
}
FILE_NAMES: Mapping[str, str] = {
    "clip": "clip.mp4",
    "thumbnail": "thumbnail.jpg",
    **SEEK_AIDS,
    "raw": "body.guac",
    "manifest": NAME,
}
#: What goes up raw where a segment has a preamble: both as one file that plays.
PLAYABLE = "segment.guac"


def artifact(folder: Path, role: str, name: str = "") -> Artifact:
    """The file of ``role`` in a segment's folder, as it lies there; raises OSError, KeyError."""
    if name not in ("", FILE_NAMES[role]) and (role, name) != ("raw", PLAYABLE):
        raise KeyError(name)
    path = folder / (name or FILE_NAMES[role])
    with path.open("rb") as file:
        digest = disk.sha256(file)
        size = file.tell()
    return Artifact(role, path.name, size, digest, CONTENT_TYPES[role])


def compose(
    session: Session,
    recording: Recording,
    segment: Segment,
    *,
    form: Form,
    artifacts: Sequence[Artifact],
    duration_ms: int,
    preamble_length: int = 0,
) -> dict[str, Any]:
    """The manifest as plain values; ``artifacts`` are the files that go up beside it.

    ``preamble_length`` is where in a raw artifact the recording's own bytes begin. Raises
    ValueError for a segment that was never read.
    """
    contents = contents_to_json(segment.contents)
    if not contents.pop("surveyed"):
        raise ValueError(f"segment {segment.id} goes up and nobody knows what it holds")
    return {
        "format": FORMAT,
        "made_by": f"kasm-recd {__version__}",
        "session": _session(session),
        "recording": {"id": recording.id, "name": Path(recording.path).name},
        "sequence": segment.sequence,
        "start": _iso(segment.began_at),
        "end": _iso(segment.ended_at),
        "end_known": segment.end_known,
        "duration_ms": duration_ms,
        "form": form,
        "cause": segment.cause,
        "encoder": segment.encoder,
        "seek_aids": any(item.role in SEEK_AIDS for item in artifacts),
        "contains_keys": contents.pop("contains_keys"),
        "contains_audio": contents.pop("contains_audio"),
        "damage": contents.pop("damage"),
        "segment": {
            "start": segment.start,
            "length": segment.length,
            "sha256": segment.sha256,
            "preamble_length": preamble_length,
            **contents,
        },
        "artifacts": [_artifact(item) for item in artifacts],
    }


def _session(session: Session) -> dict[str, Any]:
    return {
        "kasm_id": session.kasm_id,
        "user_id": session.user_id,
        "username": session.username,
        "image_id": session.image_id,
        "image_friendly_name": session.image_friendly_name,
        "created_timestamp": session.created_timestamp,
        "start_timestamp": session.start_timestamp,
        "announced": session.announced,
    }


def _artifact(item: Artifact) -> dict[str, Any]:
    return {
        "role": item.role,
        "name": item.name,
        "size": item.size,
        "sha256": item.sha256,
        "content_type": item.content_type,
    }


def write(folder: Path, manifest: Mapping[str, Any]) -> Artifact:
    """Puts the manifest into the segment's folder, durably, and gives it as an artifact."""
    # A file name that is no UTF-8 has halves of characters; escaped, they are valid JSON.
    text = json.dumps(manifest, ensure_ascii=False, indent=1).encode(errors="backslashreplace")
    disk.write_atomically(folder / NAME, text + b"\n")
    return artifact(folder, "manifest")


def adopt(folder: Path) -> tuple[dict[str, Any], tuple[Artifact, ...]] | None:
    """What a crash left finished: the manifest and every artifact, each held against its digest.

    None where there is no manifest. Raises ClipRejected when a file is not what the manifest says.
    """
    try:
        text = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        manifest: dict[str, Any] = json.loads(text)
        named = tuple(Artifact(**item) for item in manifest["artifacts"])
    except (ValueError, KeyError, TypeError) as error:
        raise ClipRejected(f"{folder / NAME} is no manifest: {error}") from error
    for item in named:
        try:
            found = artifact(folder, item.role, item.name)
        except (OSError, KeyError) as error:
            raise ClipRejected(f"{folder / NAME} names {item.name}: {error}") from error
        if found != item:
            raise ClipRejected(f"{folder / item.name} is not the file that {NAME} names")
    return manifest, (*named, artifact(folder, "manifest"))


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
