"""What a cut found, and when it happened: guacd's stamps on the wall clock, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kasm_recd import clock
from kasm_recd.segment import Segment
from kasm_recd.states import RecordingState

if TYPE_CHECKING:
    from kasm_recd.clock import Scale
    from kasm_recd.contents import Contents
    from kasm_recd.recording import Recording


@dataclass(frozen=True, slots=True)
class Cut:
    """What the cut worker found in the bytes it copied; timestamps are guacd's milliseconds.

    ``timestamp`` is that of the body's last ``sync``, ``newest_sync`` that of the whole file's.
    """

    length: int
    sha256: str
    contents: Contents
    timestamp: int | None
    newest_sync: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """The recording's file when it was about to be cut."""

    size: int
    modified_at: float
    at: float


@dataclass(frozen=True, slots=True)
class Times:
    """A segment on the wall clock: Unix seconds, and the clip's end in guacd's milliseconds."""

    began_at: float
    ended_at: float
    end_timestamp: int
    end_known: bool


def draft(
    recording: Recording,
    cut: Cut,
    seen: Seen,
    *,
    before: Segment | None,
    scale: Scale | None,
    last: bool,
    sealed_at: float,
    uptime: float,
) -> Segment:
    """The segment that a cut makes, for the journal to number.

    ``before`` is the one that ends where it begins, ``last`` says that none will follow.
    ``sealed_at`` is Unix seconds, ``uptime`` the daemon's total time up in s.
    """
    times = _times_of(recording, cut, seen, before=before, scale=scale, last=last)
    return Segment(
        id=0,
        session_id=recording.session_id,
        recording_id=recording.id,
        sequence=0,
        start=recording.consumed,
        length=cut.length,
        sha256=cut.sha256,
        contents=contents_after(before.contents, cut.contents) if before else cut.contents,
        began_at=times.began_at,
        ended_at=times.ended_at,
        end_timestamp=times.end_timestamp,
        end_known=times.end_known,
        sealed_at=sealed_at,
        sealed_uptime=uptime,
    )


def _times_of(
    recording: Recording,
    cut: Cut,
    seen: Seen,
    *,
    before: Segment | None,
    scale: Scale | None,
    last: bool,
) -> Times:
    live = recording.state is RecordingState.GROWING
    at = seen.at if live else recording.ended_at or seen.modified_at
    if last:
        times = place_in_time(recording, cut.contents, scale=scale, modified_at=seen.modified_at)
    else:
        times = place_before_others(recording, cut, scale=scale, seen=seen, seen_at=at)
    if before is None:
        return times
    local = scale is not None and is_local(recording, cut.contents, scale, at)
    return following(times, before, local=local)


def place_in_time(
    recording: Recording,
    contents: Contents,
    *,
    scale: Scale | None,
    modified_at: float,
) -> Times:
    """When a recording's last segment happened.

    guacd stamps with its machine's monotonic clock. Where the recording ran on this machine's clock
    (``scale``), it tells the wall-clock time, and where its end was seen the last picture stood
    until then. A recording of another boot or host has only its file's time: the last
    ``sync`` was no later than the last write.
    """
    first, last = contents.first_sync, contents.last_sync
    if first is None or last is None:
        ended = recording.ended_at or modified_at
        return Times(min(recording.first_seen_at, ended), ended, 0, recording.end_known)
    seen_end = recording.ended_at
    if scale is not None and is_local(recording, contents, scale, seen_end):
        end_timestamp = last
        if recording.end_known and seen_end is not None:
            # Not long after the last sync, where the clock was set back and showed that time twice.
            moments = (round(moment * 1000) for moment in scale.moments(seen_end))
            end_timestamp = next((moment for moment in moments if moment > last), last)
        return Times(*scale.span(first, end_timestamp), end_timestamp, recording.end_known)
    began = modified_at - (last - first) / 1000
    return Times(began, modified_at, last, end_known=False)


def place_before_others(
    recording: Recording, cut: Cut, *, scale: Scale | None, seen: Seen, seen_at: float
) -> Times:
    """When a segment happened that others follow: it ends where the next one begins.

    ``seen_at`` is when the last byte was there at the latest. The file's time, where nothing better
    is known, is that of the newest ``sync`` in it.
    """
    first, end = cut.contents.first_sync, cut.timestamp
    if first is None or end is None:
        return Times(min(recording.first_seen_at, seen.at), seen.at, 0, end_known=False)
    if scale is not None and is_local(recording, cut.contents, scale, seen_at):
        return Times(*scale.span(first, end), end, end_known=True)
    ended = seen.modified_at - ((cut.newest_sync or end) - end) / 1000
    return Times(ended - (end - first) / 1000, ended, end, end_known=False)


def is_local(recording: Recording, contents: Contents, scale: Scale, seen_at: float | None) -> bool:
    """Whether a segment was stamped by this machine's clock, in this boot; ``seen_at`` as above."""
    first, last = contents.first_sync, contents.last_sync
    if seen_at is None or first is None or last is None:
        return False
    return clock.is_local(
        scale,
        birth_ns=recording.identity.birth_ns,
        first_sync=first,
        last_sync=last,
        last_seen_at=seen_at,
    )


def following(times: Times, before: Segment, *, local: bool) -> Times:
    """``times`` of the segment after ``before``; by the file's time it runs on where that ended.

    Our own holes change a file's time, so it is believed for the first segment alone.
    """
    if local or before.contents.last_sync is None:
        return times
    lasted = times.ended_at - times.began_at
    return Times(before.ended_at, before.ended_at + lasted, times.end_timestamp, times.end_known)


def contents_after(before: Contents, contents: Contents) -> Contents:
    """``contents`` of a body, as they are with what the preamble shows and keeps open.

    Where it is not known yet what that is, they have to be surveyed too.
    """
    if not before.surveyed:
        return replace(contents, surveyed=False)
    return replace(
        contents,
        drawn=contents.drawn or before.drawn,
        contains_audio=contents.contains_audio or before.contains_audio,
    )
