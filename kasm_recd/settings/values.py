"""The settings as one frozen value: names, defaults, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from kasm_recd.cage.policy import Mode as CageMode  # noqa: TC001 - pydantic reads it
from kasm_recd.location import Location
from kasm_recd.settings.conflicts import Conflicting, conflicts
from kasm_recd.settings.given import Given
from kasm_recd.settings.kinds import (
    HOUR,
    MB,
    MINUTE,
    Address,
    AutoSize,
    BallastSize,
    Command,
    Duration,
    Folder,
    Interval,
    LocationText,
    Names,
    Number,
    Pixels,
    Size,
    Slots,
    Whole,
)


class Settings(Given):
    """Every setting, checked; sizes are bytes, durations seconds unless the name says otherwise.

    A field's description is the way out that an error shows.
    """

    # -- Kasm's own ---------------------------------------------------------------------------
    recording_object_storage_key: SecretStr = Field(
        default=SecretStr(""), description="the store's access key id; best as a systemd credential"
    )
    recording_object_storage_secret: SecretStr = Field(
        default=SecretStr(""), description="the store's secret key; best as a systemd credential"
    )
    session_recording_upload_location: LocationText = Field(
        default="file:///var/lib/kasm-recd/clips/{username}/{kasm_id}.mp4",
        description="s3://bucket[@endpoint[:port]]/path/{kasm_id}.mp4 or file:///folder/{kasm_id}.mp4",
    )
    session_recording_bitrate: Number = Field(
        default=8, gt=0, le=1000, description="Mbit/s at most, above 0 up to 1000"
    )
    session_recording_framerate: Whole = Field(
        default=2, ge=1, le=60, description="frames a second at most, a whole number from 1 to 60"
    )
    session_recording_res_width: Pixels = Field(
        default=720, description="pixels, an even number from 16 to 7680"
    )
    session_recording_res_height: Pixels = Field(
        default=480, description="pixels, an even number from 16 to 7680"
    )
    session_recording_retention_period: Number = Field(
        default=24,
        ge=0,
        le=87600,
        description="hours that what cannot be uploaded is kept; 0 is for ever",
    )
    session_recording_queue_length: Slots = Field(
        default=2, description="encodes at once, a whole number from 1 to 64"
    )
    session_recording_guac_disk_limit: Number = Field(
        default=0.9, gt=0, le=1, description="used fraction of a disk, above 0 up to 1"
    )

    # -- folders and sizes --------------------------------------------------------------------
    recording_dir: Folder = Field(
        default=Path("/var/lib/guacd/recordings"), description="the folder guacd records into"
    )
    spool_dir: Folder = Field(
        default=Path("/var/lib/kasm-recd"), description="our own folder, outside recording_dir"
    )
    segment_size: Size = Field(
        default=150 * MB, ge=MB, le=2000 * MB, description="a size from 1MB to 2GB, such as 150MB"
    )
    segment_max_age: Interval = Field(
        default=0, description="a duration such as 30m; 0 is off: segments are cut by size alone"
    )
    min_free: Size = Field(default=500 * MB, ge=0, description="a size such as 500MB")
    ballast_size: BallastSize = Field(
        default=64 * MB, description="a size from 8MB to 10GB, such as 64MB; 0 is none"
    )

    # -- admission ----------------------------------------------------------------------------
    session_reserve: AutoSize = Field(default=None, description="auto, or a size such as 350MB")
    guacd_user: str = Field(
        default="", description="a user's name or number; empty: the recording folder's owner"
    )
    admission_users: Names = Field(
        default=(), description='a list of users, by name or number, such as ["kasm", "1000"]'
    )
    admission_groups: Names = Field(
        default=(), description='a list of groups, by name or number, such as ["brokers"]'
    )
    admission_rate: Number = Field(
        default=1000, ge=0, le=1_000_000, description="requests a second of one user; 0: any number"
    )

    # -- watching and cutting -----------------------------------------------------------------
    scan_interval: Duration = Field(
        default=2, le=60, description="a duration up to 60s, such as 2s"
    )
    finish_quiet: Duration = Field(default=30, description="a duration such as 30s")
    finish_quiet_unseen: Duration = Field(default=24 * HOUR, description="a duration such as 24h")
    cut_slots: Slots = Field(default=1, description="cuts at once, a whole number from 1 to 64")
    cut_deadline: Duration = Field(default=10 * MINUTE, description="a duration such as 10m")

    # -- the watch over guacd -----------------------------------------------------------------
    appear_within: Duration = Field(
        default=30, ge=2, le=HOUR, description="a duration from 2s to 1h, such as 30s"
    )
    on_breach: Command = Field(
        default=(), description='a list such as ["/usr/local/bin/end-session"]; [] is none'
    )

    # -- encoding -----------------------------------------------------------------------------
    encoder: Literal["auto", "native", "guacenc"] = Field(
        default="auto", description="auto, native or guacenc"
    )
    video_codec: Literal["libx264", "libx265", "libsvtav1", "h264_nvenc", "h264_vaapi"] = Field(
        default="libx264",
        description="libx264, libx265, libsvtav1, h264_nvenc or h264_vaapi; all but the first are "
        "tried when the daemon starts",
    )
    video_preset: Annotated[str, Field(pattern=r"^\w{0,20}$")] = Field(
        default="", description="the codec's own name for a preset; empty: what suits screens"
    )
    video_quality: Whole = Field(
        default=0,
        ge=0,
        le=63,
        description="as the codec counts it, lower is better; 0: its default",
    )
    encode_deadline: Duration = Field(default=HOUR, description="a duration such as 1h")
    encode_memory: Size = Field(
        default=2000 * MB, ge=256 * MB, description="a size of at least 256MB, such as 2GB"
    )
    encode_attempts: Whole = Field(
        default=3,
        ge=1,
        le=100,
        description="attempts before the segment goes up raw, from 1 to 100",
    )
    raw_upload: Literal["damaged", "always", "never"] = Field(
        default="damaged", description="damaged, always or never"
    )

    worker_cage: CageMode = Field(default="auto", description="auto, require or off")

    # -- the store ----------------------------------------------------------------------------
    upload_slots: Slots = Field(
        default=2, description="uploads at once, a whole number from 1 to 64"
    )
    upload_connect_timeout: Duration = Field(default=10, description="a duration such as 10s")
    upload_read_timeout: Duration = Field(default=60, description="a duration such as 60s")
    retry_max: Duration = Field(
        default=10 * MINUTE, le=HOUR, description="a duration up to 1h, such as 10m"
    )
    storage_scheme: Literal["https", "http"] = Field(default="https", description="https or http")
    storage_addressing_style: Literal["auto", "path", "virtual"] = Field(
        default="auto", description="auto, path or virtual"
    )
    storage_region: str = Field(
        default="", description="the signing region; empty: from the endpoint"
    )
    storage_checksum_calculation: Literal["auto", "when_supported", "when_required"] = Field(
        default="auto", description="auto, when_supported or when_required"
    )
    storage_sse: Literal["none", "AES256", "aws:kms"] = Field(
        default="none", description="none, AES256 or aws:kms"
    )
    storage_sse_kms_key_id: str = Field(
        default="", description="a KMS key id or ARN, with aws:kms only"
    )
    storage_ca_bundle: str = Field(
        default="", description="an absolute path of a PEM file, or empty"
    )
    conditional_put: Literal["auto", "on", "off"] = Field(
        default="auto", description="auto, on or off"
    )

    # -- the log ------------------------------------------------------------------------------
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )
    metrics_listen: Address = Field(
        default="", description="host:port such as 127.0.0.1:9464, or empty for none"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if found := tuple(conflicts(self)):
            raise Conflicting(found)
        return self

    @property
    def location(self) -> Location:
        """The upload location, parsed."""
        return Location.parse(self.session_recording_upload_location)

    @property
    def bitrate(self) -> int:
        """The clips' ceiling in bit/s."""
        return round(self.session_recording_bitrate * MB)

    @property
    def reserve(self) -> int:
        """Bytes that one session may need at once: two segments, and a third for the encoder."""
        given = self.session_reserve
        return 2 * self.segment_size + self.segment_size // 3 if given is None else given

    @property
    def retention(self) -> float:
        """Seconds that what cannot be uploaded is kept; 0 is for ever."""
        return self.session_recording_retention_period * HOUR

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, but hardly meant."""
        location = self.location
        unencrypted = location.target.scheme == "s3" and self.storage_scheme == "http"
        plain = ("storage_scheme = http: recordings cross the network unencrypted",)
        return location.warnings + (plain if unencrypted else ())

    def secrets(self) -> tuple[str, ...]:
        """The secret values that are set, for the one who keeps them out of the log."""
        both = (self.recording_object_storage_key, self.recording_object_storage_secret)
        return tuple(value for secret in both if (value := secret.get_secret_value()))
