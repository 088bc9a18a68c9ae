"""Settings that are each right and do not go together; pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kasm_recd.errors import SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.settings.values import Settings


@dataclass(frozen=True, slots=True)
class Conflict:
    """``field`` is the one to change; ``others`` are what it conflicts with."""

    field: str
    others: tuple[str, ...]
    reason: str
    way_out: str


class Conflicting(SettingsInvalid):
    """Settings that do not go together."""

    def __init__(self, conflicts: tuple[Conflict, ...]) -> None:
        super().__init__("; ".join(f"{found.field}: {found.reason}" for found in conflicts))
        self.conflicts = conflicts


def conflicts(settings: Settings) -> Iterator[Conflict]:
    """Every conflict between two settings."""
    yield from _folders(settings)
    yield from _store(settings)


def _folders(settings: Settings) -> Iterator[Conflict]:
    recordings, spool = settings.recording_dir, settings.spool_dir
    if _overlap(recordings, spool):
        yield Conflict(
            "spool_dir",
            ("recording_dir",),
            f"one of spool_dir and recording_dir ({recordings}) lies inside the other",
            "Give the spool a folder of its own, such as /var/lib/kasm-recd",
        )
    target = settings.location.target
    if target.scheme == "file" and Path(target.folder).is_relative_to(recordings):
        yield Conflict(
            "session_recording_upload_location",
            ("recording_dir",),
            f"the clips would land among the recordings in {recordings}",
            "Give the clips a folder of their own, such as /var/lib/kasm-recd/clips",
        )


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _store(settings: Settings) -> Iterator[Conflict]:
    if settings.location.target.scheme == "s3":
        for name in ("recording_object_storage_key", "recording_object_storage_secret"):
            if not getattr(settings, name).get_secret_value():
                yield Conflict(
                    name,
                    ("session_recording_upload_location",),
                    "an s3:// upload location needs key and secret",
                    f"Set it as the systemd credential {name}, as KASM_RECD_{name.upper()}, "
                    "or in the file",
                )
    if settings.storage_sse_kms_key_id and settings.storage_sse != "aws:kms":
        yield Conflict(
            "storage_sse_kms_key_id",
            ("storage_sse",),
            f"a KMS key is of no use with storage_sse = {settings.storage_sse}",
            'Set storage_sse = "aws:kms", or leave the key id empty',
        )
    if settings.storage_ca_bundle and not Path(settings.storage_ca_bundle).is_absolute():
        yield Conflict(
            "storage_ca_bundle",
            (),
            "the path must begin with /",
            "Give an absolute path of a PEM file, or leave it empty",
        )
