"""What goes up of a segment, laid into its folder: the clip's files, the raw part, the manifest.

Everything here is durable when it returns, the manifest last: its presence means that the others
are whole. The functions block; they are for a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kasm_recd import disk, manifest, preambles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kasm_recd.contents import Damage
    from kasm_recd.encoder import Clip
    from kasm_recd.journal import Journal
    from kasm_recd.recording import Recording
    from kasm_recd.segment import Artifact, Segment
    from kasm_recd.session import Session
    from kasm_recd.states import Form


@dataclass(frozen=True, slots=True)
class Parcel:
    """A segment, what it belongs to, and the preamble that opens it, if there is one."""

    session: Session
    recording: Recording
    segment: Segment
    home: Path
    preamble: Path | None

    def publish_clip(self, clip: Clip) -> None:
        """Moves the clip's files home; raises OSError."""
        for role, path in clip.files.items():
            path.chmod(0o600)  # whatever the umask of the program that made it
            disk.publish(path, self.home / manifest.FILE_NAMES[role])

    def seal(self, form: Form, roles: Sequence[str], duration_ms: int) -> tuple[Artifact, ...]:
        """Writes the manifest of the files of ``roles``; gives them all, itself last.

        Raises OSError.
        """
        names = {"raw": self._make_playable()} if "raw" in roles else {}
        artifacts = [manifest.artifact(self.home, role, names.get(role, "")) for role in roles]
        described = manifest.compose(
            self.session,
            self.recording,
            self.segment,
            form=form,
            artifacts=artifacts,
            duration_ms=duration_ms,
            preamble_length=0 if self.segment.owed else self._preamble_length,
        )
        return (*artifacts, manifest.write(self.home, described))

    def in_the_recording(self, damage: Sequence[Damage]) -> tuple[Damage, ...]:
        """What an encoder named as damaged, counted from the recording's beginning."""
        start = self.segment.start
        shift = start - self._preamble_length
        return tuple(
            replace(place, start=max(start, place.start + shift), end=max(start, place.end + shift))
            for place in damage
        )

    @property
    def _preamble_length(self) -> int:
        return self.preamble.stat().st_size if self.preamble else 0

    def _make_playable(self) -> str:
        """Name of the file that goes up raw: the body, behind its preamble where it has one.

        Under pressure it is the body alone: the copy needs the very room that is short.
        """
        body = manifest.FILE_NAMES["raw"]
        if self.preamble is None or self.segment.owed:
            return body
        disk.concatenate(self.home / manifest.PLAYABLE, self.preamble, self.home / body)
        return manifest.PLAYABLE


def parcel_of(segment: Segment, journal: Journal, spool: Path) -> Parcel:
    """The segment with all that the journal and the spool have of it; raises JournalCorrupt."""
    preamble = preambles.of(spool, segment)
    return Parcel(
        session=journal.owner(segment),
        recording=journal.source(segment),
        segment=segment,
        home=spool / "segments" / segment.folder,
        preamble=preamble.path if preamble else None,
    )
