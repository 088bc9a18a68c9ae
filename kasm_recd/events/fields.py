"""What the fields of log lines hold; one meaning for each name, whatever the event."""

from __future__ import annotations

from typing import Final

#: Every line has these.
ALWAYS: Final[dict[str, str]] = {
    "timestamp": "When, in UTC (ISO 8601).",
    "level": "debug, info, warning, error or critical.",
    "event": "The event's name.",
    "message_id": "The event's MESSAGE_ID, the same over releases and machines.",
    "module": "The part of the program that says it.",
}

#: Any line may have these.
OFTEN: Final[dict[str, str]] = {
    "kasm_id": "The session, on every line about one, whatever part says it.",
    "lines_dropped": "How many lines before this one the journal did not take (natively only).",
}

FIELDS: Final[dict[str, str]] = {
    "announced": "Whether a broker had asked for the session.",
    "attempt": "Number of the request, from 1.",
    "attempts": "Failed attempts so far.",
    "available": "Bytes free for the daemon.",
    "ballast": "Bytes kept back for a full disk.",
    "busy": "Segments that were being worked on when the daemon last ended.",
    "cause": "Why a segment is stored raw; empty for a clip.",
    "clip": "Destination and key of the clip.",
    "clip_bytes": "Size of the stored clip.",
    "consumed": "Bytes of the recording that were cut.",
    "cpu_s": "CPU seconds that it took.",
    "damage": "Damaged stretches in the segment.",
    "destination": "Bucket or folder.",
    "disk_full": "Whether a full disk was the reason; such an attempt does not count.",
    "encoder": "Which encoder made the clip.",
    "error": "What went wrong, in a sentence.",
    "error_class": "The class of the error.",
    "evidence": "How the end was seen: the lock went, or no growth after a close.",
    "exception": "The traceback, without local variables.",
    "failed_encodes": "Attempts at the clip that failed.",
    "field": "Which field of the request is wrong.",
    "fields": "Names of the unknown fields, at most 20.",
    "figures": "One field for each figure behind the refusal; see the README's reasons.",
    "file": "Path of the deleted file.",
    "folder": "Folder, or its name in the spool.",
    "form": "clip or raw.",
    "found": "Whether the file was still there.",
    "from_seal_s": "Seconds from the cut to the proof.",
    "heeded": "Whether the second conditional write was refused, as it should be.",
    "hint": "What to do.",
    "key": "Object key.",
    "length": "Bytes of the segment's body, or of the preamble.",
    "loss": "vanished, shrunk or replaced.",
    "message": "The refusal in a sentence.",
    "next_attempt_s": "Seconds until the next attempt.",
    "parts": "Names of the silent parts.",
    "path": "Path of the file, or of the request.",
    "peer": "pid, uid and gid of who asked, by the kernel's word.",
    "pid": "Process.",
    "proofs": "By what each file was proved to be in the store.",
    "reason": "Why; a stable word for refusals.",
    "recorded_bytes": "Bytes of the recording that the clip shows.",
    "recorded_s": "Seconds of the session that the clip shows.",
    "recording": "The recording's number in the journal.",
    "recording_name": "guacd's recording-name.",
    "recording_path": "guacd's recording-path.",
    "refused": "Whether a write had been refused for want of room.",
    "segment": "The segment's number in the journal.",
    "segments": "Segments that wait for work.",
    "sequence": "Number of the segment within its session, from 0.",
    "size": "Bytes of the recording's file.",
    "threads": "Names of the threads.",
    "upload_attempts": "Attempts at the upload.",
    "uploads": "Attempts at the upload, the good one included.",
    "valid": "Whether the settings are valid.",
    "wait_s": "Seconds until the request is repeated.",
    "waited_s": "Seconds that were waited.",
    "warning": "The warning in a sentence.",
}
