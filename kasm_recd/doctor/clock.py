"""Whether this machine knows what time it is; where not, stores refuse and manifests lie."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

from kasm_recd.doctor.finding import error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.doctor.finding import Finding

#: S3 refuses signatures that are further off (RequestTimeTooSkewed).
REFUSED_S: Final = 900.0
NOTICED_S: Final = 5.0
#: TIME_ERROR of ntp_adjtime(3): the clock is not synchronised.
_TIME_ERROR: Final = 5
_MEND: Final = "Run chrony or systemd-timesyncd: timedatectl set-ntp true."


def synchronised() -> Iterator[Finding]:
    """What the kernel says of its clock."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.ntp_adjtime(ctypes.create_string_buffer(512))  # modes 0: it only reads
    if found == _TIME_ERROR:
        yield note("clock.synchronised", "nothing keeps this machine's clock right", _MEND)
    else:
        yield ok("clock.synchronised", "the clock is kept right")


def against_store(here: float, there: float) -> Finding:
    """Both clocks in Unix seconds, read at one moment."""
    off = abs(here - there)
    if off > REFUSED_S:
        return error("clock.store", f"this clock and the store's are {off:.0f} s apart", _MEND)
    if off > NOTICED_S:
        return warning(
            "clock.store",
            f"this clock and the store's are {off:.0f} s apart: clips are dated wrongly, and from "
            f"{REFUSED_S:.0f} s on refused",
            _MEND,
        )
    return ok("clock.store", "this clock and the store's agree")
