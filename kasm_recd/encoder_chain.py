"""Which encoders a segment is given to, one after the other, until one of them makes its clip.

``auto`` is the native encoder, and guacenc behind it: whatever the one cannot draw, the other may.
The raw segment, behind both, is the encoding stage's business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from kasm_recd import disk
from kasm_recd.errors import EncoderMissing, RecdError, Retried
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from kasm_recd.contents import Contents
    from kasm_recd.encoder import Clip, Encoder, Job
    from kasm_recd.process import ChildId

    Wanted = Literal["auto", "native", "guacenc"]

log = get_logger(__name__)

GUACENC_GAP_MS: Final = 60_000  # it fills a gap with 25 duplicates a second


@dataclass(frozen=True, slots=True)
class Made:
    """A clip, and in ``cause`` what kept the encoders before from making it; empty for none."""

    clip: Clip
    cause: str = ""


def in_order(
    wanted: Wanted, contents: Contents, *, encoders: Mapping[str, Encoder], hold_ms: int = 0
) -> tuple[Encoder, ...]:
    """The encoders to try; ``hold_ms`` is how long the segment's last picture stands.

    Raises:
        EncoderMissing: a program of the wanted encoder, or of native, is not on this machine.
    """
    first = encoders["native" if wanted == "auto" else wanted]
    first.available()
    second = encoders.get("guacenc")
    if wanted != "auto" or second is None:
        return (first,)
    try:
        second.available()
    except EncoderMissing:
        return (first,)
    if max(contents.longest_gap_ms, hold_ms) > GUACENC_GAP_MS:
        return (first,)
    return first, second


async def encode(
    encoders: Sequence[Encoder],
    job: Job,
    *,
    on_start: Callable[[ChildId], Awaitable[None]] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Made:
    """The clip of the first encoder that can make it, each in a folder of its own.

    Raises what the last one raised, with what the others said before it; a full disk at once.
    """
    causes: list[str] = []
    for encoder in encoders:
        folder = job.folder / encoder.name
        folder.mkdir(mode=0o700)
        own = replace(job, folder=folder)
        try:
            clip = await encoder.encode(own, on_start=on_start, on_progress=on_progress)
        except (Retried, OSError) as error:
            if encoder is encoders[-1] or disk.says_full(error):
                raise _with(causes, error) from error
            log.warning("encoder.failed", encoder=encoder.name, error=str(error))
            causes.append(f"{encoder.name}: {error}")
            disk.clear(folder)
        else:
            return Made(clip, "; ".join(causes))
    raise EncoderMissing("there is no encoder")


def _with(causes: list[str], error: Retried | OSError) -> Retried | OSError:
    """``error``, telling also what went wrong before."""
    if not causes or not isinstance(error, RecdError):
        return error
    return type(error)("; ".join((*causes, str(error))), hint=error.hint)
