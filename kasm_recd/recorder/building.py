"""Settings to the plain values that the parts are built from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kasm_recd import preambles, process, storage
from kasm_recd.encoder import Encoder, Picture, Video
from kasm_recd.encoder_guacenc import GuacencEncoder
from kasm_recd.encoder_native import NativeEncoder
from kasm_recd.encoder_trial import Trial
from kasm_recd.encoding import EncodePolicy

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from kasm_recd.settings import Settings
    from kasm_recd.storage import Store

JOURNAL_NAME: Final = "journal.sqlite3"
CUT_MEMORY: Final = 1_000_000_000  # bytes of address space; the worker streams
CPU_S: Final = 6 * 3600  # a worker's CPU seconds; the deadline ends it long before


def worker_limits(
    *,
    memory: int = 2_000_000_000,
    deadline_s: float = 3600.0,
    file_size: int = 20_000_000_000,
    cage: process.Cage = "auto",
) -> process.Limits:
    """Limits of a worker: bytes of address space, bytes of one file, seconds."""
    return process.Limits(
        memory=memory, file_size=file_size, cpu_seconds=CPU_S, deadline_s=deadline_s, cage=cage
    )


def cut_limits(settings: Settings) -> process.Limits:
    """Limits of the worker that cuts."""
    return worker_limits(
        memory=CUT_MEMORY, deadline_s=settings.cut_deadline, cage=settings.worker_cage
    )


def encode_limits(settings: Settings) -> process.Limits:
    """Limits of the workers that replay and encode."""
    return worker_limits(
        memory=settings.encode_memory,
        deadline_s=settings.encode_deadline,
        cage=settings.worker_cage,
    )


def build_encoders(limits: process.Limits, trial: Trial | None = None) -> dict[str, Encoder]:
    """Every encoder by its name, whether this machine has its programs or not."""
    native = NativeEncoder(limits=limits, refusal=lambda: trial.refusal if trial else None)
    return {encoder.name: encoder for encoder in (native, GuacencEncoder(limits=limits))}


def codec_trial(settings: Settings) -> Trial:
    """What the native encoder's codec has to pass."""
    return Trial(encode_policy(settings).picture, limits=encode_limits(settings))


def encode_policy(settings: Settings) -> EncodePolicy:
    """How clips are made."""
    picture = Picture(
        width=settings.session_recording_res_width,
        height=settings.session_recording_res_height,
        framerate=settings.session_recording_framerate,
        bitrate=settings.bitrate,
        video=Video(settings.video_codec, settings.video_preset, settings.video_quality),
    )
    return EncodePolicy(
        encoder=settings.encoder,
        raw_upload=settings.raw_upload,
        picture=picture,
        attempts=settings.encode_attempts,
    )


def make_spool(spool: Path) -> None:
    """The spool's folders, for nobody else to read; raises OSError."""
    for folder in (spool, spool / "segments", spool / "attempts", spool / preambles.FOLDER):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def endpoint_of(settings: Settings) -> storage.Endpoint:
    """How the store is spoken to."""
    return storage.Endpoint(
        scheme=settings.storage_scheme,
        addressing_style=settings.storage_addressing_style,
        region=settings.storage_region,
        checksum_calculation=settings.storage_checksum_calculation,
        sse=settings.storage_sse,
        sse_kms_key_id=settings.storage_sse_kms_key_id,
        conditional_put=settings.conditional_put,
        ca_bundle=settings.storage_ca_bundle,
        connect_timeout_s=settings.upload_connect_timeout,
        read_timeout_s=settings.upload_read_timeout,
    )


def open_store(settings: Settings, stop: threading.Event, destination: str) -> Store:
    """A store for a journaled destination, with the endpoint options in force now."""
    return storage.open_store(
        destination,
        endpoint=endpoint_of(settings),
        key=settings.recording_object_storage_key.get_secret_value(),
        secret=settings.recording_object_storage_secret.get_secret_value(),
        stop=stop,
    )
