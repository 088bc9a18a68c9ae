"""The daemon itself: its life, its settings, its journal and its disk."""

from __future__ import annotations

from typing import Final

from kasm_recd.events.event import ERROR, Event

EVENTS: Final = (
    Event("daemon.started", "info", ("pid",), "The daemon answers on the admission socket."),
    Event(
        "daemon.recovered",
        "info",
        ("segments", "busy"),
        "The journal was read; work that was under way when the daemon last ended is queued again.",
    ),
    Event("daemon.stopped", "info", (), "The daemon ended as it was told to."),
    Event(
        "daemon.threads_left",
        "warning",
        ("threads",),
        "The daemon ended while calls to a store or a disk still hung. The journal has all that "
        "counts.",
    ),
    Event(
        "daemon.part_silent",
        "critical",
        ("parts",),
        "A part of the daemon stopped moving: the watchdog is not fed, systemd restarts it.",
        "If it comes again: report it, with the lines before.",
    ),
    Event(
        "settings.invalid",
        "error",
        (*ERROR, "exception"),
        "The settings are not valid. Running work goes on with the last good ones, and recorded "
        "sessions are refused.",
        "Correct what the error names, then "
        "`kasm-recd check-config && systemctl reload kasm-recd`.",
    ),
    Event(
        "settings.warning",
        "warning",
        ("warning",),
        "The settings are valid, but probably not meant so.",
        "Read the warning; `kasm-recd check-config` repeats it.",
    ),
    Event(
        "worker.cage_open",
        "warning",
        ("lacking",),
        "This kernel cannot keep workers in all of their cage; what it has is used.",
        "Boot with Landlock (kernel 5.13 or later, `lsm=landlock,...`), or set "
        "worker_cage = require to refuse sessions without it.",
    ),
    Event(
        "fork_server.lost",
        "warning",
        ("cause",),
        "The process that workers are forked from ended or hung, and what it had forked ended with "
        "it. The next worker starts another; where it cannot be had, workers are started one by "
        "one, each 0.15 CPU seconds dearer.",
        "If it comes again: `journalctl -k` says whether the kernel killed it for want of memory.",
    ),
    Event("settings.reloaded", "info", ("valid",), "The settings were read again, after SIGHUP."),
    Event(
        "metrics.listening",
        "info",
        ("address",),
        "Prometheus is answered on a TCP address.",
    ),
    Event(
        "metrics.unavailable",
        "error",
        ("address", "error"),
        "The address for Prometheus cannot be had; it is tried again every second, and all else "
        "goes on.",
        "Free the address or choose another with metrics_listen.",
    ),
    Event(
        "recorder.restarting",
        "critical",
        (*ERROR, "exception"),
        "The recorder ran into trouble with its journal or disk and starts anew from the journal. "
        "Until then recorded sessions are refused.",
        "See the error: mostly a full or failing disk under spool_dir.",
    ),
    Event(
        "journal.corrupt",
        "critical",
        (*ERROR, "exception"),
        "The journal is damaged or was written by a newer release: nothing is recorded.",
        "`systemctl stop kasm-recd && kasm-recd journal rebuild && systemctl start kasm-recd`. "
        "The spool has all that is needed.",
    ),
    Event(
        "disk.ballast_given_up",
        "critical",
        ("folder", "available", "refused", "ballast", "hint"),
        "The disk is full: the room that was kept back is given up so that cuts can go on.",
        "Free disk at once, and see that uploads go on: what guacd cannot write is lost.",
    ),
    Event(
        "disk.ballast_impossible",
        "error",
        ("folder", "ballast", "floor", "total", "hint"),
        "The spool's disk is too small for a ballast and the room that is to be free beside it: "
        "nothing is kept back for a full disk.",
        "Put spool_dir on a larger disk, or choose a smaller ballast_size, min_free or "
        "segment_size.",
    ),
    Event(
        "disk.pressure",
        ("info", "warning"),
        ("folder", "pressure", "before", "does", "available", "near", "floor"),
        "The room on a disk passed a mark, and what is done for room changed: `does` says to what. "
        "Level info: it got better.",
        "Free disk, or see why uploads or encodes do not keep up (`kasm-recd status`). Nothing is "
        "lost by it.",
    ),
    Event(
        "disk.ballast_made",
        "info",
        ("folder", "ballast", "available"),
        "Room is kept back for a full disk again.",
    ),
    Event(
        "disk.ballast_failed",
        "warning",
        ("folder", "error", "hint"),
        "No room can be kept back for a full disk.",
        "See the error; choose a ballast_size that the spool's disk has room for.",
    ),
)
