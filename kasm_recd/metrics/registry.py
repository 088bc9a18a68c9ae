"""Every metric: its name, what it counts, and by which labels. METRICS.md is written from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PREFIX: Final = "kasm_recd_"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; a counter's name ends in ``_total``, units are in the name (seconds, bytes)."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    labels: tuple[str, ...] = ()
    #: Labels' values that are 0 from the start: `increase()` does not see a first value appear.
    known: tuple[tuple[str, ...], ...] = ()


#: Counted since the daemon started, over restarts of its recorder.
COUNTERS: Final = (
    Metric(
        "kasm_recd_admissions_total",
        "counter",
        "Answers to brokers. decision: allow, repeat (the same session asked again; not counted as "
        "an allow), unrecorded (nothing to record) or deny; reason: the refusal's, else empty.",
        ("decision", "reason"),
        (("allow", ""), ("repeat", ""), ("unrecorded", "")),
    ),
    Metric(
        "kasm_recd_bad_requests_total",
        "counter",
        "Requests for admission that could not be understood, answered with 400.",
    ),
    Metric("kasm_recd_segments_sealed_total", "counter", "Segments cut and durable in the spool."),
    Metric("kasm_recd_segments_sealed_bytes_total", "counter", "Bytes of recordings cut."),
    Metric(
        "kasm_recd_encodes_total",
        "counter",
        "Attempts at a clip. outcome: encoded or failed.",
        ("outcome",),
        (("encoded",), ("failed",)),
    ),
    Metric(
        "kasm_recd_encode_seconds_total",
        "counter",
        "Seconds that attempts which made a clip took.",
    ),
    Metric(
        "kasm_recd_encoded_recorded_seconds_total",
        "counter",
        "Seconds of sessions that these clips show: encode_seconds over this is the cost of a "
        "recorded second.",
    ),
    Metric(
        "kasm_recd_segments_raw_total",
        "counter",
        "Segments that go up without a clip. cause: give_up, empty or pressure.",
        ("cause",),
    ),
    Metric("kasm_recd_upload_bytes_total", "counter", "Bytes put and proved to be in the store."),
    Metric(
        "kasm_recd_upload_failures_total",
        "counter",
        "Failed attempts at a segment's upload, by the error's class: StoreUnavailable is passing, "
        "StoreRefused needs somebody.",
        ("error_class",),
        (("StoreUnavailable",), ("StoreRefused",)),
    ),
    Metric(
        "kasm_recd_segments_stored_total",
        "counter",
        "Segments of which everything is proved to be stored. form: clip or raw.",
        ("form",),
    ),
    Metric(
        "kasm_recd_damage_total",
        "counter",
        "Damaged stretches in stored segments, by kind.",
        ("kind",),
    ),
    Metric(
        "kasm_recd_damage_bytes_total",
        "counter",
        "Bytes of recordings in those stretches, by kind.",
        ("kind",),
    ),
    Metric(
        "kasm_recd_breaches_total",
        "counter",
        "Sessions that were not recorded as they should be: a recording that did not appear, "
        "vanished, shrank, was replaced, or stopped growing on a full disk.",
        ("kind",),
        tuple((k,) for k in ("never_appeared", "deleted", "shrunk", "replaced", "stalled", "torn")),
    ),
    Metric(
        "kasm_recd_segments_expired_total",
        "counter",
        "Segments deleted because they could not be stored within the retention period: lost.",
    ),
)

#: Looked up when somebody asks.
GAUGES: Final = (
    Metric("kasm_recd_build_info", "gauge", "Always 1; the release is a label.", ("version",)),
    Metric("kasm_recd_admitting", "gauge", "1 while recorded sessions are taken, else 0."),
    Metric(
        "kasm_recd_refusing",
        "gauge",
        "1 for the reason that recorded sessions are refused for; absent while they are taken.",
        ("reason",),
    ),
    Metric("kasm_recd_draining", "gauge", "1 after `kasm-recd drain`, else 0."),
    Metric("kasm_recd_recordings_open", "gauge", "Recordings that may still be in the folder."),
    Metric("kasm_recd_segments", "gauge", "Segments in the journal, by state.", ("state",)),
    Metric("kasm_recd_bytes_at_risk", "gauge", "Bytes of recordings that only the spool has."),
    Metric(
        "kasm_recd_bytes_pinned",
        "gauge",
        "Bytes of live recordings that were cut and cannot be handed back to their disk.",
    ),
    Metric(
        "kasm_recd_oldest_unstored_seconds",
        "gauge",
        "Age of the oldest segment that only the spool has; 0 where there is none.",
    ),
    Metric("kasm_recd_queue_busy", "gauge", "Slots at work, by queue.", ("queue",)),
    Metric("kasm_recd_queue_waiting", "gauge", "What waits for a slot, by queue.", ("queue",)),
    Metric(
        "kasm_recd_queue_age_seconds",
        "gauge",
        "How long what waits longest has waited, by queue; 0 where nothing does.",
        ("queue",),
    ),
    Metric(
        "kasm_recd_destination_failures",
        "gauge",
        "Failed uploads in a row, by bucket or folder; 0 once one went through.",
        ("destination",),
    ),
    Metric("kasm_recd_disk_free_bytes", "gauge", "Bytes free for the daemon.", ("folder",)),
    Metric("kasm_recd_disk_used_ratio", "gauge", "Used part of the disk, 0 to 1.", ("folder",)),
)

METRICS: Final[dict[str, Metric]] = {metric.name: metric for metric in (*COUNTERS, *GAUGES)}
