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
        "admission.repeated",
        "debug",
        ("kasm_id", "peer", "recording_path", "recording_name"),
        "A broker asked again before the recording appeared, and was told the same.",
    ),
    Event(
        "admission.unrecorded",
        "debug",
        ("kasm_id", "peer"),
        "A broker asked for a session that is not to be recorded: always allowed.",
    ),
    Event(
        "admission.peer_refused",
        "warning",
        ("peer", "path"),
        "A user who may not ask connected to the socket; every answer is a no.",
        "Add the broker's user to admission_users or admission_groups, or find out who it is.",
    ),
    Event(
        "admission.too_many",
        "warning",
        ("peer",),
        "A user asks more often than admission_rate; what is beyond it gets 429, which is a no. "
        "Said once for a thousand.",
        "Find out why the broker asks so often, or raise admission_rate.",
    ),
    Event(
        "admission.not_taken_back",
        "warning",
        ("kasm_id", "error"),
        "A session was refused after its room had been journaled, and that could not be undone: "
        "after a restart the room is held until appear_within is over.",
        "Look at the journal's disk.",
    ),
    Event(
        "admission.bad_request",
        "warning",
        ("kasm_id", "field", "error"),
        "A request for admission could not be understood; it was answered with 400, which is a no.",
        "Correct the broker: the field named here is missing or wrong.",
    ),
    Event(
        "session.unrecorded",
        "critical",
        ("kasm_id", "breach", "detail", "at", "hint"),
        "A session that was to be recorded is not: its recording did not appear in time, was "
        "deleted, shrunk or replaced, or stands still on a full disk. guacd lets the session go "
        "on. Recorded sessions are refused until a recording appears again.",
        "End the session (`on_breach` can do it), and find out what the detail names: rights and "
        "room of the recording folder, and who else writes there. Once that is done, "
        "`kasm-recd settle KASM_ID` takes sessions again at once.",
    ),
    Event(
        "session.watch_lapsed",
        "info",
        ("allowed_at",),
        "A session that was allowed before the machine or the daemon was away for long is no "
        "longer waited for.",
    ),
    Event(
        "recording.torn",
        "critical",
        ("kasm_id", "breach", "detail", "at"),
        "A cut found an instruction that is not whole: a write of guacd's failed, or something "
        "that a user typed or showed broke it. It is said once a recording and refuses nobody, "
        "since any user could cause it.",
        "See whether the disk under recording_dir was full at the time. The clip's manifest names "
        "the damage; the stored bytes are what guacd wrote.",
    ),
    Event(
        "breach.settled",
        "warning",
        ("kasm_id", "breach", "by"),
        "A breach no longer speaks against further sessions: a recording appeared or goes on "
        "(recorded), or somebody said so (operator).",
    ),
    Event(
        "breach.settle_refused",
        "warning",
        ("kasm_id", "peer"),
        "Somebody who may not asked to settle a session's breaches.",
        "Call `kasm-recd settle` as root or as the daemon's own user.",
    ),
    Event(
        "breach.command_done",
        "info",
        ("kasm_id", "breach", "command"),
        "The command `on_breach` was run.",
    ),
    Event(
        "breach.command_failed",
        "error",
        ("kasm_id", "breach", "command", "error"),
        "The command `on_breach` could not be run, failed, or ran for more than 30 s and was "
        "killed. It is not run again for this breach.",
        "Run it by hand, as the daemon's user and inside its sandbox, with KASM_ID and BREACH set.",
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
