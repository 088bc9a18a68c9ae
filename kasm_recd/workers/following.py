"""The next segment's preamble as a file; a replay or a render brought the display there."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from kasm_recd.guacamole import preamble
from kasm_recd.workers.files import created

if TYPE_CHECKING:
    from pathlib import Path

    from kasm_recd.guacamole.display import Display


def write_following(display: Display, sync: tuple[bytes, ...], path: Path) -> dict[str, Any]:
    """Write ``display`` at a ``sync`` with the arguments ``sync`` to the new file ``path``.

    Returns its ``length`` in bytes, its ``sha256``, and the ``timestamp`` of the ``sync`` in
    milliseconds, or None where ``sync`` is empty: then there is none. The file is on disk
    afterwards; where this raises OSError it is gone.
    """
    with created(path) as target:
        digest, length = hashlib.sha256(), 0
        with os.fdopen(os.dup(target), "wb") as file:
            for instruction in preamble.write(display, sync):
                digest.update(instruction)
                length += file.write(instruction)
        os.fsync(target)
    return {
        "length": length,
        "sha256": digest.hexdigest(),
        "timestamp": int(sync[0]) if sync else None,
    }
