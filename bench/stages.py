"""What becomes of a segment in the daemon, a stage at a time, each as the daemon does it.

A large segment is cut at a glance and surveyed by its encode, so there is no survey of its own.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Final

from kasm_recd import disk, process, storage
from kasm_recd.contents import contents_from_json
from kasm_recd.encoder import Job, Picture
from kasm_recd.encoder_native import NativeEncoder
from kasm_recd.recorder import worker_limits

if TYPE_CHECKING:
    from pathlib import Path

#: Kasm's own default.
PICTURE: Final = Picture(720, 480, 2, 8_000_000)
MANIFEST: Final = json.dumps({"as long as": "one is" * 300})


async def cut(recording: Path, size: int, body: Path) -> dict[str, Any]:
    """All ``size`` bytes into one segment, at a glance where that is large; the worker's answer."""
    argv = process.worker_argv(
        *("cut", "--glance", "--input", str(recording), "--output", str(body)),
        *("--start", "0", "--limit", str(size)),
    )
    done = await process.run(argv, folder=body.parent, limits=worker_limits(), check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


async def encode(body: Path, contents: dict[str, Any], folder: Path) -> dict[str, Path]:
    """The clip, read back, and out of the same pass the next preamble and what ``body`` holds.

    ``folder`` is the attempt's own. What the body holds is found out where the cut's ``contents``
    do not say it. Raises RuntimeError where something of the recording could not be drawn, or its
    end is not what the cut says.
    """
    known = contents_from_json(contents)
    end = known.last_sync or 0
    start = None if known.surveyed else 0
    job = Job(body, folder, known, end, PICTURE, hand_over=True, survey_from=start)
    clip = await NativeEncoder(limits=worker_limits()).encode(job)
    found = clip.survey.contents if clip.survey else known
    if not found.surveyed or found.last_sync != end:
        raise RuntimeError(f"{body} is not what the cut says: {found}")
    if clip.damage or clip.following is None:
        raise RuntimeError(f"{body} does not play whole: {clip.damage}")
    return clip.files


def upload(files: dict[str, Path], folder: Path) -> None:
    """Clip, thumbnail and a manifest into a folder: digests, copies, fsyncs, proofs."""
    manifest = folder / "manifest.json"
    manifest.write_text(MANIFEST)
    stop = threading.Event()
    store = storage.open_store(
        f"file://{folder}/stored", endpoint=storage.Endpoint(), key="", secret="", stop=stop
    )
    (folder / "stored").mkdir()
    for path in (*files.values(), manifest):
        with path.open("rb") as file:
            digest = disk.sha256(file)
        payload = storage.Payload(path, path.stat().st_size, digest, "video/mp4")
        storage.upload(store, path.name, payload, stop=stop)
