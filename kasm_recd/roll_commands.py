"""``kasm-recd roll`` and ``join``: a recording to segments that play on their own, and back.

A folder of segments holds ``0000.guac``, ``0001.guac`` … (preamble and body as one file) and
``index.json``, which says of each where the recording's own bytes begin in it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kasm_recd import disk, process
from kasm_recd.answers import answer
from kasm_recd.errors import RecdError, WorkerFailed
from kasm_recd.recorder import worker_limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BufferedReader

INDEX: Final = "index.json"
FORMAT: Final = 1
PIECE: Final = 1 << 20
OK: Final = 0


def roll(file: Path, folder: Path, *, segment_size: int) -> int:
    """Cuts a recording into segments of at most about ``segment_size`` bytes, in a new folder.

    Raises:
        RecdError: there is no such recording, something lies in the folder, or a worker failed.
    """
    if not file.is_file():
        raise RecdError(f"there is no file {file}", hint="Give the path of a recording.")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise RecdError(f"{folder} is not empty", hint="Give a new folder with -o.")
    with tempfile.TemporaryDirectory(prefix="kasm-recd-roll-", dir=folder.parent) as work:
        with file.open("rb") as whole:
            digest, length = disk.sha256(whole), whole.tell()
        segments = asyncio.run(_roll(file.resolve(), folder, Path(work), segment_size, length))
    index = {
        "format": FORMAT,
        "recording": file.name,
        "length": length,
        "sha256": digest,
        "segments": segments,
    }
    disk.write_atomically(folder / INDEX, json.dumps(index, indent=1).encode() + b"\n")
    print(f"{folder}: {len(segments)} segments, {length} bytes")
    return OK


@dataclass(frozen=True, slots=True)
class _Opening:
    """What the next segment plays from: a preamble, or why there is none."""

    preamble: Path | None = None
    prelude: tuple[str, ...] = ()  # how it ends, for the cut worker
    trouble: str = ""


async def _roll(
    file: Path, folder: Path, work: Path, size: int, total: int
) -> list[dict[str, Any]]:
    segments: list[dict[str, Any]] = []
    opening, position = _Opening(), 0
    while position < total:
        name = f"{len(segments):04d}.guac"
        body = work / f"{name}.body"
        cut = await _cut(file, body, position, size=size, total=total, prelude=opening.prelude)
        parts = (opening.preamble, body) if opening.preamble else (body,)
        disk.concatenate(folder / name, *parts)
        segments.append(_entry(folder / name, position, opening, cut))
        position += cut["length"]
        if position < total:
            opening = await _open_next(work / f"{name}.preamble", body, opening, cut)
        for part in parts:
            disk.clear(part)
    return segments


async def _cut(
    file: Path, body: Path, start: int, *, size: int, total: int, prelude: tuple[str, ...]
) -> dict[str, Any]:
    """The next segment's body; the last one takes the tail."""
    given = (
        *("--input", str(file), "--output", str(body)),
        *("--start", str(start), "--end", str(total), *prelude),
    )
    if total - start > size:
        cut = await _worker("cut", body.parent, *given, "--limit", str(size))
        if cut["length"]:
            return cut
        disk.clear(body)
    return await _worker("cut", body.parent, *given)


async def _open_next(made: Path, body: Path, opening: _Opening, cut: Mapping[str, Any]) -> _Opening:
    """What follows a segment plays from; once that cannot be had, nothing that follows has it."""
    prelude, trouble = _prelude(cut), opening.trouble
    if not trouble:
        before = ("--preamble", str(opening.preamble)) if opening.preamble else ()
        try:
            await _worker(
                "replay", made.parent, "--input", str(body), "--output", str(made), *before
            )
        except WorkerFailed as error:
            trouble = str(error)
    return _Opening(None if trouble else made, prelude, trouble)


def _prelude(cut: Mapping[str, Any]) -> tuple[str, ...]:
    contents = cut["contents"]
    width, height, timestamp = contents["end_width"], contents["end_height"], cut["timestamp"]
    return (
        *(("--display", f"{width}x{height}") if width and height else ()),
        *(("--after-sync", str(timestamp)) if timestamp is not None else ()),
    )


def _entry(path: Path, start: int, opening: _Opening, cut: Mapping[str, Any]) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = disk.sha256(file)
    return {
        "file": path.name,
        "sha256": digest,
        "preamble_length": opening.preamble.stat().st_size if opening.preamble else 0,
        "trouble": opening.trouble,
        "start": start,
        "length": cut["length"],
        "body_sha256": cut["sha256"],
        "first_sync": cut["contents"]["first_sync"],
        "last_sync": cut["contents"]["last_sync"],
        "damage": cut["contents"]["damage"],
    }


async def _worker(name: str, folder: Path, *arguments: str) -> dict[str, Any]:
    argv = process.worker_argv(name, *arguments)
    done = await process.run(argv, folder=folder, limits=worker_limits(), check=True)
    return answer(name, done.stdout)


def join(folder: Path, output: Path) -> int:
    """Puts a folder's segments together again; ``output`` appears whole or not at all.

    Raises:
        RecdError: the folder has no index, or a segment is not what the index says.
    """
    index = _index(folder)
    partial = output.with_name(f".{output.name}.partial")
    whole = hashlib.sha256()
    try:
        with partial.open("wb") as target:
            for entry in index["segments"]:
                for piece in _body(folder / Path(entry["file"]).name, entry):
                    whole.update(piece)
                    target.write(piece)
            length = target.tell()
        if (length, whole.hexdigest()) != (index["length"], index["sha256"]):
            raise RecdError(f"the segments in {folder} are not the whole of {index['recording']}")
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    print(f"{output}: {length} bytes")
    return OK


def _index(folder: Path) -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_bytes())
        if index["format"] != FORMAT:
            raise RecdError(f"{folder / INDEX} has format {index['format']}, not {FORMAT}")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RecdError(
            f"{folder / INDEX} cannot be read: {error}",
            hint="Give a folder that kasm-recd roll made.",
        ) from error
    return index


def _body(path: Path, entry: Mapping[str, Any]) -> list[bytes]:
    """The recording's own bytes of one segment, held against the index."""
    try:
        with path.open("rb") as file:
            file.seek(entry["preamble_length"])
            pieces = _pieces(file)
    except OSError as error:
        raise RecdError(f"{path} cannot be read: {error}") from error
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    if digest.hexdigest() != entry["body_sha256"]:
        raise RecdError(f"{path} is not the segment that {INDEX} names")
    return pieces


def _pieces(file: BufferedReader) -> list[bytes]:
    return list(iter(lambda: file.read(PIECE), b""))
