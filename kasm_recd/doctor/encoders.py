"""Whether clips can be made here: a recording of two frames is encoded for real."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kasm_recd.contents import Contents
from kasm_recd.doctor.finding import error, note, of_error, ok
from kasm_recd.encoder import Job
from kasm_recd.errors import EncoderMissing, RecdError
from kasm_recd.recorder import building

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.doctor.finding import Finding
    from kasm_recd.encoder import Encoder
    from kasm_recd.settings import Settings

#: A display of 64 by 48 pixels, painted red, then blue a second later.
RECORDING: Final = (
    b"4.size,1.0,2.64,2.48;"
    b"4.rect,1.0,1.0,1.0,2.64,2.48;5.cfill,2.14,1.0,3.255,1.0,1.0,3.255;4.sync,4.1000,1.1;"
    b"4.rect,1.0,1.0,1.0,2.64,2.48;5.cfill,2.14,1.0,1.0,1.0,3.255,3.255;4.sync,4.2000,1.1;"
)
CONTENTS: Final = Contents(
    first_sync=1000,
    last_sync=2000,
    sync_count=2,
    longest_gap_ms=1000,
    width=64,
    height=48,
    drawn=True,
)


def encoders(settings: Settings) -> Iterator[Finding]:
    """The encoders that the settings may choose."""
    limits = building.encode_limits(settings)
    built = building.build_encoders(limits)
    for name in ("native", "guacenc") if settings.encoder == "auto" else (settings.encoder,):
        yield _trial(settings, built[name], needed=name in (settings.encoder, "native"))


def _trial(settings: Settings, encoder: Encoder, *, needed: bool) -> Finding:
    check = f"encoder.{encoder.name}"
    try:
        encoder.available()
    except EncoderMissing as missing:
        if needed:
            return of_error(check, missing)
        return note(check, f"{missing}: the native encoder makes the clips")
    try:
        with tempfile.TemporaryDirectory(prefix="kasm-recd-doctor-") as folder:
            body = Path(folder) / "body.guac"
            body.write_bytes(RECORDING)
            work = Path(folder) / "work"
            work.mkdir()
            picture = building.encode_policy(settings).picture
            job = Job(
                body=body, folder=work, contents=CONTENTS, end_timestamp=2000, picture=picture
            )
            clip = asyncio.run(encoder.encode(job))
    except (RecdError, OSError) as failed:
        hint = getattr(failed, "hint", "")
        return error(
            check,
            f"a recording of two frames could not be encoded: {failed}",
            hint if "retention" not in hint else "Install ffmpeg with libx264, and see the error.",
        )
    return ok(check, f"made and checked a clip of {clip.width}x{clip.height}")
