"""The note beside a segment's body: all that is needed to make the journal again.

``segment.json`` in the segment's folder of the spool, written once, before the segment is sealed:
its session, its recording, and the segment as at its sealing. What comes later (states, keys, what
was made of it) is not in it; the manifest beside it says whether a clip was made.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from kasm_recd import disk
from kasm_recd.contents import contents_from_json, contents_to_json
from kasm_recd.errors import SidecarInvalid
from kasm_recd.recording import Identity, Recording
from kasm_recd.segment import Segment
from kasm_recd.session import Session
from kasm_recd.states import RecordingState

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "segment.json"
BODY: Final = "body.guac"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a sidecar says; the segment's id and sequence are the journal's to give."""

    session: Session
    recording: Recording
    segment: Segment


def write(folder: Path, session: Session, recording: Recording, segment: Segment) -> None:
    """Puts the sidecar into a segment's folder, durably; raises OSError."""
    note = {
        "format": FORMAT,
        "session": _fields(session),
        "recording": {**_fields(recording), "identity": _fields(recording.identity)},
        "segment": {**_sealed_fields(segment), "contents": contents_to_json(segment.contents)},
    }
    disk.write_atomically(folder / NAME, json.dumps(note, indent=1).encode("ascii") + b"\n")


def read(folder: Path) -> Sidecar:
    """What the sidecar in ``folder`` says; fields that this release does not know are left out.

    Raises:
        SidecarInvalid: there is none, or it is not what :func:`write` writes.
    """
    path = folder / NAME
    try:
        note = json.loads(path.read_bytes())
        if note["format"] != FORMAT:
            raise SidecarInvalid(f"{path} has format {note['format']}, not {FORMAT}")
        session, recording, segment = note["session"], note["recording"], note["segment"]
        return Sidecar(
            session=Session(**_known(Session, session)),
            recording=Recording(
                **{
                    **_known(Recording, recording),
                    "identity": Identity(**_known(Identity, recording["identity"])),
                    "state": RecordingState(recording["state"]),
                }
            ),
            segment=Segment(
                **{
                    **_known(Segment, segment),
                    "contents": contents_from_json(segment["contents"]),
                }
            ),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SidecarInvalid(f"{path} cannot be read: {error}") from error


def _fields(value: Session | Recording | Identity) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _sealed_fields(segment: Segment) -> dict[str, Any]:
    """A segment as at its sealing: what came later has a default."""
    return {
        field.name: getattr(segment, field.name)
        for field in fields(segment)
        if field.default is MISSING and field.default_factory is MISSING
    }


def _known(kind: type[Session | Recording | Identity | Segment], raw: Any) -> dict[str, Any]:
    return {field.name: raw[field.name] for field in fields(kind) if field.name in raw}
