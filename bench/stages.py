"""What becomes of a segment in the daemon, a stage at a time, each as the daemon does it."""

from __future__ import annotations

import asyncio
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


def cut(recording: Path, body: Path) -> dict[str, Any]:
    """All of it into one segment, looking at the ends alone; gives the worker's answer."""
    size = str(recording.stat().st_size)
    return _worker(
        *("cut", "--glance", "--input", str(recording), "--output", str(body)),
        *("--start", "0", "--limit", size),
        folder=body.parent,
    )


def survey(body: Path) -> dict[str, Any]:
    """What the segment holds; gives the worker's answer."""
    return _worker("survey", "--input", str(body), "--start", "0", folder=body.parent)


def encode(body: Path, contents: dict[str, Any], folder: Path) -> dict[str, Path]:
    """The clip, the next segment's preamble out of the same pass, the clip read back.

    Raises RuntimeError where something of the recording could not be drawn.
    """
    folder.mkdir()
    known = contents_from_json(contents)
    end = known.last_sync or 0
    job = Job(body, folder, known, end, PICTURE, hand_over=True)
    clip = asyncio.run(NativeEncoder(limits=worker_limits()).encode(job))
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


def _worker(name: str, *arguments: str, folder: Path) -> dict[str, Any]:
    argv = process.worker_argv(name, *arguments)
    running = process.run(argv, folder=folder, limits=worker_limits(), check=True)
    answer: dict[str, Any] = json.loads(asyncio.run(running).stdout.splitlines()[-1])
    return answer
