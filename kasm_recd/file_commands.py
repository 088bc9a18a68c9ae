"""Commands on one file, without a daemon: what a recording holds, and a clip made from it."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from kasm_recd import encoder_chain, process
from kasm_recd.answers import answer
from kasm_recd.contents import contents_from_json
from kasm_recd.encoder import Job, Picture
from kasm_recd.errors import RecdError, Unplayable
from kasm_recd.recorder import build_encoders, worker_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from kasm_recd.contents import Contents
    from kasm_recd.encoder import Clip

    EncoderName = Literal["auto", "native", "guacenc"]

OK = 0


def inspect(file: Path) -> int:
    """Prints what a recording holds, as one JSON object."""
    with tempfile.TemporaryDirectory(prefix="kasm-recd-inspect-") as folder:
        found = asyncio.run(_worker("inspect", Path(folder), "--input", str(_existing(file))))
    print(json.dumps(found, indent=1))
    return OK


def encode(
    file: Path,
    output: Path,
    *,
    encoder: EncoderName,
    size: tuple[int, int],
    framerate: int,
    bitrate: int,
    console: Console,
) -> int:
    """Makes a clip; ``bitrate`` is a ceiling in bit/s.

    Raises:
        Unplayable: there is nothing to see in the recording.
        RecdError: the encoder is missing or failed; ``output`` is untouched then.
    """
    picture = Picture(width=size[0], height=size[1], framerate=framerate, bitrate=bitrate)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="kasm-recd-encode-") as folder,
        Progress(*columns, console=console) as progress,
    ):
        task = progress.add_task(file.name, total=1.0)
        report = lambda share: progress.update(task, completed=share)  # noqa: E731 - one argument
        made = asyncio.run(_encode(_existing(file), Path(folder), encoder, picture, report))
        progress.update(task, completed=1.0)
        # Copied under a temporary name: a clip that is there is whole.
        partial = output.with_name(f".{output.name}.partial")
        shutil.copyfile(made.path, partial)
        partial.replace(output)
    console.print(
        f"{output}: {made.duration_ms / 1000:.1f} s, {made.width}x{made.height}, "
        f"{output.stat().st_size} bytes, made by {made.encoder}"
    )
    return OK


async def take_in(file: Path, folder: Path) -> tuple[Path, Contents]:
    """A copy of a recording in ``folder``, and what it holds; raises WorkerFailed."""
    body = folder / "body.guac"
    found = await _worker(
        "cut", folder, "--input", str(file), "--start", "0", "--output", str(body)
    )
    return body, contents_from_json(found["contents"])


async def _encode(
    file: Path, folder: Path, wanted: EncoderName, picture: Picture, report: Callable[[float], None]
) -> Clip:
    body, contents = await take_in(file, folder)
    if contents.empty or contents.last_sync is None:
        raise Unplayable(
            f"{file} has nothing that a clip could show",
            hint="kasm-recd inspect says what it holds; the daemon stores such a recording raw.",
        )
    attempt = folder / "attempt"
    attempt.mkdir(mode=0o700)
    job = Job(
        body=body,
        folder=attempt,
        contents=contents,
        end_timestamp=contents.last_sync,
        picture=picture,
    )
    encoders = build_encoders(worker_limits())
    chain = encoder_chain.in_order(wanted, contents, encoders=encoders)
    return (await encoder_chain.encode(chain, job, on_progress=report)).clip


async def _worker(name: str, folder: Path, *arguments: str) -> dict[str, Any]:
    argv = process.worker_argv(name, *arguments)
    done = await process.run(argv, folder=folder, limits=worker_limits(), check=True)
    return answer(name, done.stdout)


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise RecdError(f"there is no file {file}", hint="Give the path of a recording.")
    return file.resolve()
