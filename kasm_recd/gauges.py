"""The daemon's figures as gauges for Prometheus; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kasm_recd import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kasm_recd.admission import Room
    from kasm_recd.metrics import Gauges


def gauges(status: Mapping[str, Any], rooms: Iterable[Room | None], *, now: float) -> Gauges:
    """What ``GET /v1/status`` says, as gauges; without a recorder there is less of it.

    ``now`` is in Unix seconds.
    """
    found: Gauges = {
        "kasm_recd_build_info": {(__version__,): 1},
        "kasm_recd_admitting": {(): float(status["healthy"])},
        "kasm_recd_draining": {(): float(status["draining"])},
    }
    if status["refusing"]:
        found["kasm_recd_refusing"] = {(str(status["refusing"]),): 1}
    known = [room for room in rooms if room is not None]
    found["kasm_recd_disk_free_bytes"] = {(room.folder,): room.available for room in known}
    found["kasm_recd_disk_used_ratio"] = {(room.folder,): room.used_fraction for room in known}
    if "segments" in status:
        found |= _of_the_recorder(status, now)
    return found


def _of_the_recorder(figures: Mapping[str, Any], now: float) -> Gauges:
    oldest = figures["oldest_unstored_at"]
    queues = figures["queues"]
    destinations = figures["destinations"]
    return {
        "kasm_recd_recordings_open": {(): figures["recordings_open"]},
        "kasm_recd_segments": {(state,): n for state, n in figures["segments"].items()},
        "kasm_recd_bytes_at_risk": {(): figures["bytes_at_risk"]},
        "kasm_recd_bytes_pinned": {(): figures["bytes_pinned"]},
        "kasm_recd_oldest_unstored_seconds": {(): 0.0 if oldest is None else max(0, now - oldest)},
        "kasm_recd_queue_busy": {(name,): queue["busy"] for name, queue in queues.items()},
        "kasm_recd_queue_waiting": {(name,): queue["waiting"] for name, queue in queues.items()},
        "kasm_recd_queue_age_seconds": {
            (name,): queue["oldest_s"] for name, queue in queues.items()
        },
        "kasm_recd_destination_failures": {
            (name,): each["failures"] for name, each in destinations.items()
        },
    }
