"""Storing: what went up, and what the store said."""

from __future__ import annotations

from typing import Final

from kasm_recd.events.event import SEGMENT, Event

EVENTS: Final = (
    Event(
        "clip.stored",
        "info",
        (
            *SEGMENT,
            "kasm_id",
            "clip",
            "form",
            "cause",
            "encoder",
            "recorded_s",
            "recorded_bytes",
            "clip_bytes",
            "damage",
            "failed_encodes",
            "uploads",
            "from_seal_s",
            "proofs",
        ),
        "A clip with its thumbnail and manifest is in the store, and each was proved to be there. "
        "This one line tells the clip's whole life.",
    ),
    Event(
        "clip.key_taken",
        "warning",
        (*SEGMENT, "error", "key"),
        "Another content lies under the clip's key; the clip takes the next free one.",
        "Put {kasm_id} into session_recording_upload_location, so that no two sessions share keys.",
    ),
    Event(
        "upload.failed",
        ("warning", "error"),
        (*SEGMENT, "error", "hint", "destination", "key", "next_attempt_s"),
        "An upload failed; it is tried again until the retention period ends. Level error: it "
        "cannot succeed before somebody changes the set-up.",
        "Follow the hint; `kasm-recd doctor` tries the store end to end.",
    ),
    Event(
        "storage.retry",
        "info",
        ("key", "attempt", "wait_s", "error"),
        "One request to the store failed and is repeated at once, within the same upload.",
    ),
    Event(
        "storage.key_has_object",
        "debug",
        ("key",),
        "The key has an object already; the proof decides whether it is this clip.",
    ),
    Event(
        "storage.conditional_put",
        "info",
        ("heeded",),
        "Whether the store heeds conditional writes was tried with a throw-away object.",
        "Where it does not (`heeded: false`) a key is looked at before it is written: give every "
        "session keys of its own with {kasm_id}.",
    ),
    Event(
        "storage.probe_left",
        "warning",
        ("key", "error"),
        "The throw-away object of that trial could not be deleted.",
        "Grant DeleteObject (`kasm-recd policy` prints the least policy), or delete it yourself.",
    ),
)
