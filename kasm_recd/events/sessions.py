"""Admission: what brokers asked, and what they were told."""

from __future__ import annotations

from typing import Final

from kasm_recd.events.event import Event

EVENTS: Final = (
    Event(
        "admission.allowed",
        "info",
        ("kasm_id", "peer", "recording_path", "recording_name"),
        "A broker was told that this session may start.",
    ),
    Event(
        "admission.refused",
        "warning",
        ("kasm_id", "peer", "reason", "message", "figures"),
        "A broker was told that this session may not start: it could not be recorded for sure.",
        "The reason and the figures say what is short. `kasm-recd status` and `kasm-recd doctor` "
        "show the same from your side.",
    ),
    Event(
        "admission.bad_request",
        "warning",
        ("kasm_id", "field", "error"),
        "A request for admission could not be understood; it was answered with 400, which is a no.",
        "Correct the broker: the field named here is missing or wrong.",
    ),
    Event(
        "admission.unknown_fields",
        "info",
        ("kasm_id", "fields"),
        "A request had fields that this release does not know; it was answered all the same.",
        "Look for a misspelt field, or update kasm-recd.",
    ),
    Event(
        "admission.failed",
        "error",
        ("path", "exception"),
        "Answering a request ended in a mistake of this program; the answer was a no.",
        "Report the traceback.",
    ),
    Event(
        "admission.draining",
        "info",
        ("peer",),
        "`kasm-recd drain` was called: recorded sessions are refused from now on.",
        "Restart the daemon to take sessions again.",
    ),
    Event(
        "admission.drain_refused",
        "warning",
        ("peer",),
        "Somebody who may not asked the daemon to drain.",
        "Call `kasm-recd drain` as root or as the daemon's own user.",
    ),
)
