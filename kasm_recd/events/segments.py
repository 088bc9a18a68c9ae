"""Cutting, preambles and encoding, and the processes that do it."""

from __future__ import annotations

from typing import Final

from kasm_recd.events.event import RECORDING, SEGMENT, Event

EVENTS: Final = (
    Event(
        "segment.sealed",
        "info",
        (*SEGMENT, "length"),
        "A part of a recording is durable in the spool.",
    ),
    Event(
        "segment.adopted",
        "info",
        (*RECORDING, "folder"),
        "A cut that a crash interrupted was found whole in the spool, and taken over.",
    ),
    Event(
        "segment.encoded",
        "info",
        (*SEGMENT, "encoder"),
        "A clip was made and checked.",
    ),
    Event(
        "segment.encode_failed",
        "warning",
        (*SEGMENT, "error", "hint", "attempts", "disk_full"),
        "An attempt at a clip failed. It is tried again; after `encode_attempts` the segment goes "
        "up raw.",
        "See the error; `kasm-recd encode` on the body tries it by hand.",
    ),
    Event(
        "encoder.failed",
        "warning",
        ("encoder", "error"),
        "One encoder could not make a segment's clip; the next one in the chain is tried. A large "
        "segment is surveyed before that.",
        "The manifest of the clip names the cause. Where it comes often, report the recording.",
    ),
    Event(
        "encoder.tried",
        "info",
        ("video",),
        "The codec that the settings ask for made a small clip on this machine.",
    ),
    Event(
        "encoder.refused",
        "error",
        ("error", "hint"),
        "The codec that the settings ask for does not work on this machine; admission refuses.",
        "Choose another `video_codec`, or mend the preset or the graphics driver; then reload.",
    ),
    Event(
        "segment.gave_up",
        "error",
        (*SEGMENT, "cause"),
        "No clip could be made of a segment: the recording itself is stored instead.",
        "Nothing is lost. The cause says why; the stored `.guac` plays in Guacamole's player.",
    ),
    Event(
        "segment.empty",
        "info",
        SEGMENT,
        "A segment shows nothing that a clip could be made of; it is stored as it is.",
    ),
    Event(
        "segment.raw_first",
        "info",
        (*SEGMENT, "length"),
        "The disk is nearly full and encoding does not keep up: a segment goes up as it is now, "
        "and its clip is made later.",
    ),
    Event(
        "segment.raw_stored",
        "info",
        (*SEGMENT, "length"),
        "A segment that went up raw for want of room is in the store, proved; it is owed a clip.",
    ),
    Event(
        "clip.waived",
        "warning",
        (*SEGMENT, "kasm_id", "length", "cause"),
        "A clip that was owed will not be made; the raw segment, which is stored, stands for it.",
        "Nothing is lost: the stored `.guac` is the recording, and `kasm-recd encode` makes a clip "
        "of it. Give the spool a larger disk, or more encode slots.",
    ),
    Event(
        "segment.leftover_rejected",
        "warning",
        (*SEGMENT, "error"),
        "A clip that a crash left is not whole; it is made anew.",
    ),
    Event(
        "segment.expired",
        "critical",
        (*SEGMENT, "file", "kasm_id", "length", "upload_attempts", "hint"),
        "The retention period of a segment ended before it could be stored; its files are deleted. "
        "This part of the session is lost.",
        "Mend the upload (`kasm-recd doctor`), and give recordings more time (retention).",
    ),
    Event(
        "preamble.made",
        "info",
        (*SEGMENT, "length", "cpu_s"),
        "What the next segment of a recording plays from is durable; it has `cpu_s` where it was "
        "replayed.",
    ),
    Event(
        "preamble.failed",
        "warning",
        (*SEGMENT, "error", "attempts"),
        "An attempt at the next segment's preamble failed; it is tried again.",
    ),
    Event(
        "preamble.gave_up",
        "error",
        (*SEGMENT, "cause", "hint"),
        "No preamble can be made: all later segments of this recording are stored raw.",
        "Nothing is lost: the raw parts, put one behind the other, are the recording.",
    ),
    Event(
        "worker.leftover_ended",
        "warning",
        ("pid",),
        "A worker process of a daemon that was killed was still running; it was ended.",
    ),
    Event(
        "process.not_reaped",
        "error",
        ("pid", "waited_s"),
        "A killed worker does not go away: it hangs in the kernel, most often on a dead disk.",
        "See the kernel's log, and the disk that spool_dir is on.",
    ),
    Event(
        "process.not_gone",
        "warning",
        ("pid", "waited_s"),
        "A worker that a crash left was killed and is still there.",
        "See the kernel's log, and the disk that spool_dir is on.",
    ),
)
