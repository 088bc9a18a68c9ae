"""What lies in the recording folder, and what becomes of it."""

from __future__ import annotations

from typing import Final

from kasm_recd.events.event import ERROR, RECORDING, Event

EVENTS: Final = (
    Event(
        "recording.appeared",
        "info",
        (*RECORDING, "kasm_id", "announced", "size"),
        "guacd began a recording.",
    ),
    Event(
        "recording.unannounced",
        "warning",
        ("kasm_id", "path"),
        "A recording appeared that no broker had asked for. It is kept and uploaded all the same, "
        "without the session's names.",
        "Make the broker ask for admission and use the recording_name it is given, or put a "
        "`<name>.json` with the kasm_id beside the recording.",
    ),
    Event(
        "recording.sidecar_unreadable",
        "warning",
        ("path", "error"),
        "The `<name>.json` beside a recording is no JSON object that can be read.",
        "Correct whatever writes it.",
    ),
    Event(
        "recording.finished",
        "info",
        (*RECORDING, "kasm_id", "evidence", "size"),
        "guacd closed the recording; its last part is cut now.",
    ),
    Event(
        "recording.reopened",
        "warning",
        (*RECORDING, "kasm_id", "size"),
        "A recording that counted as finished grew again, or is in use after all; it is cut on.",
    ),
    Event(
        "recording.reopened_while_cut",
        "warning",
        RECORDING,
        "A finished recording grew again while its last part was cut; the rest is cut later.",
    ),
    Event(
        "recording.changed",
        "warning",
        (*RECORDING, "error"),
        "A recording changed under a step of work; the step is taken again.",
        "Nobody but guacd and kasm-recd may touch recordings: find out who did.",
    ),
    Event(
        "recording.lost",
        "critical",
        (*RECORDING, "kasm_id", "loss", "consumed", "hint"),
        "A recording vanished, shrank or was replaced. What was cut of it is safe, what came "
        "after the last cut is gone.",
        "Find out who removes, truncates or overwrites files in the recording folder: cron jobs, "
        "tmpfiles, `recording-write-existing`.",
    ),
    Event(
        "recording.cut_failed",
        "warning",
        ("recording", "error"),
        "A cut could not be made; it is tried again in a few seconds. Nothing is lost.",
        "When it goes on: see the error. Most often the spool is full.",
    ),
    Event(
        "recording.pinned",
        "warning",
        (*RECORDING, "error", "hint"),
        "What was cut of a live recording cannot be handed back to its disk before it ends.",
        "Give the daemon write access to guacd's files, on a file system that can punch holes; "
        "`kasm-recd doctor` tries both.",
    ),
    Event(
        "recording.removed",
        "info",
        (*RECORDING, "found"),
        "All of a recording is in the spool or in the store, and the file itself is gone.",
    ),
    Event(
        "recording.not_removed",
        "error",
        (*RECORDING, "exception", "hint", *ERROR[:2]),
        "A recording that is no longer needed cannot be removed; it takes up room.",
        "Give the daemon's group write access to the recording folder (mode 2770).",
    ),
    Event(
        "recording.unreadable",
        "warning",
        ("path", "error"),
        "A file in the recording folder cannot be opened; it may be a recording that is not saved.",
        "Put the daemon into guacd's group (SupplementaryGroups=guacd).",
    ),
    Event(
        "recording.out_of_reach",
        "warning",
        ("path", "hint"),
        "A known recording cannot be looked at for now; nobody can tell whether it still grows.",
        "Mount the file system or restore the rights; work on it goes on by itself.",
    ),
    Event(
        "recording_dir.usable",
        "info",
        (),
        "The recording folder can be used again.",
    ),
    Event(
        "recording_dir.unusable",
        "critical",
        ("error",),
        "The recording folder cannot be read: no recording is saved, and admission refuses.",
        "Make the folder (owner guacd, group guacd, mode 2770) or correct recording_dir; "
        "`kasm-recd doctor` says what is missing.",
    ),
    Event(
        "file.ignored",
        "info",
        ("path", "reason"),
        "A file in the recording folder does not begin like a recording; it is left alone.",
    ),
    Event(
        "file.refused",
        "warning",
        ("path", "reason"),
        "Something in the recording folder is a link or no plain file; it is never followed.",
        "Remove it: recordings are plain files with one name.",
    ),
    Event(
        "folder.unreadable",
        "warning",
        ("path", "error"),
        "A folder below the recording folder cannot be read; recordings in it are not seen.",
        "Give the daemon's group the rights to read and search it.",
    ),
    Event(
        "watch.started",
        "info",
        ("folder",),
        "inotify tells of changes in the recording folder; scans go on beside it.",
    ),
    Event(
        "watch.lost",
        "warning",
        ("folder", "reason"),
        "inotify's watch of the recording folder ended; it is made anew at the next scan.",
    ),
    Event(
        "watch.unavailable",
        "warning",
        ("folder", "error", "hint"),
        "inotify cannot watch the recording folder. Scans alone find everything, a little later.",
        "Raise fs.inotify.max_user_watches and max_user_instances (sysctl).",
    ),
)
