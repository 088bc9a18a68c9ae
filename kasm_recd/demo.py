"""``kasm-recd demo``: real recordings in, playable clips out, on a temporary folder.

Starts a daemon with the defaults, plays recordings into its folder the way guacd writes
them (exclusive create, POSIX write lock on the whole file, buffers of 8 KiB), and waits for clips.
"""

from __future__ import annotations

import fcntl
import json
import lzma
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kasm_recd.client import ask
from kasm_recd.errors import ControlRefused, RecdError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

BUFFER = 8192  # bytes; guacd's own
SEGMENT_SIZE = "2MB"  # so small that the longer recordings are rolled while they are played
PLAY_S = 8.0  # every recording is played in about this time, whatever it lasted
START_S = 20.0  # until the daemon answers
GIVE_UP_S = 110.0  # the whole demo ends within two minutes


@dataclass(frozen=True, slots=True)
class Shown:
    """One clip of the demo: where it lies, and what its manifest says."""

    path: Path
    manifest: dict[str, Any]

    @property
    def thumbnail(self) -> Path:
        """The picture beside the clip."""
        return self.path.with_suffix(".jpg")


def run(recordings: Path, output: Path, console: Console) -> int:
    """Plays every recording of a folder through a daemon; the exit code is 0 when all came out.

    Raises:
        RecdError: there are no recordings, or the daemon does not start.
    """
    sources = sorted(recordings.glob("*.guac*.xz"))
    if not sources:
        raise RecdError(
            f"no recordings (*.guac*.xz) in {recordings}",
            hint="Run it in the source tree, or give --recordings FOLDER.",
        )
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kasm-recd-demo-") as work:
        folder = Path(work)
        with _daemon(folder, output) as socket:
            _play_all(sources, folder / "recordings", socket, console)
            clips = _wait(output, socket, console)
    console.print(_table(clips))
    if clips:
        sheet = output / "contact-sheet.png"
        _contact_sheet([clip.thumbnail for clip in clips], sheet)
        console.print(f"One picture of each: {sheet}   the daemon's log: {output / 'daemon.log'}")
    missing = len(sources) - len({clip.manifest["session"]["kasm_id"] for clip in clips})
    if missing:
        console.print(f"[red]{missing} recordings did not come out.[/red]")
        return 1
    return 0


@contextmanager
def _daemon(folder: Path, output: Path) -> Iterator[Path]:
    """A daemon of its own on temporary folders, ended when the block is left: its socket."""
    socket = folder / "admission.sock"
    (folder / "recordings").mkdir()
    with (output / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kasm_recd", "run", "--config", "", "--socket", str(socket)],
            env=_environment(folder, output.resolve()),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        if not _answers(socket, process):
            raise RecdError(f"the daemon did not start; see {output / 'daemon.log'}")
        yield socket
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(folder: Path, clips: Path) -> dict[str, str]:
    """The demo's settings, and none that this machine may have."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("KASM_RECD_")},
        "KASM_RECD_RECORDING_DIR": str(folder / "recordings"),
        "KASM_RECD_SPOOL_DIR": str(folder / "spool"),
        "KASM_RECD_SESSION_RECORDING_UPLOAD_LOCATION": f"file://{clips}/{{kasm_id}}.mp4",
        "KASM_RECD_SCAN_INTERVAL": "0.5",
        "KASM_RECD_SEGMENT_SIZE": SEGMENT_SIZE,
    }


def _answers(socket: Path, process: subprocess.Popen[bytes]) -> bool:
    """Whether the daemon does, and soon."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(ControlRefused):
            if ask(socket, "GET", "/v1/health")[0] == HTTPStatus.OK:
                return True
        time.sleep(0.1)
    return False


def _play_all(sources: Sequence[Path], folder: Path, socket: Path, console: Console) -> None:
    columns = (TextColumn("{task.description:<22}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        threads = []
        for source in sources:
            name = source.name.removesuffix(".xz")
            path = folder / _announce(name, socket)
            task = progress.add_task(name, total=None)
            thread = threading.Thread(target=_play, args=(source, path, progress, task))
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()


def _announce(name: str, socket: Path) -> str:
    """What the session broker does before each session: ask, and take the name that is given."""
    stem = name.replace(".guac", "")
    status, answer = ask(
        socket,
        "POST",
        "/v1/admission",
        {
            "kasm_id": f"demo-{stem}",
            "user_id": "demo",
            "username": "demo",
            "image_id": "demo",
            "image_friendly_name": stem,
            "created_timestamp": "2026-01-01T00:00:00Z",
            "start_timestamp": "2026-01-01T00:00:00Z",
            "record_sessions": True,
            "staged": False,
        },
    )
    if status != HTTPStatus.OK:
        raise RecdError(f"the daemon refused {name}: {answer.get('message', answer)}")
    return str(answer["recording_name"])


def _play(source: Path, path: Path, progress: Progress, task: Any) -> None:
    """Writes a recording as guacd does: O_EXCL, a lock on the whole file, 8 KiB at a time."""
    data = lzma.decompress(source.read_bytes())
    progress.update(task, total=len(data))
    pause = PLAY_S / max(1, math.ceil(len(data) / BUFFER))
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        for start in range(0, len(data), BUFFER):
            os.write(descriptor, data[start : start + BUFFER])
            progress.update(task, advance=BUFFER)
            time.sleep(pause)
    finally:
        os.close(descriptor)


def _wait(output: Path, socket: Path, console: Console) -> list[Shown]:
    """The clips that are there when nothing is left to do, or when the time is up."""
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn())
    deadline = time.monotonic() + GIVE_UP_S - PLAY_S
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("clips stored", total=None)
        while True:
            _, status = ask(socket, "GET", "/v1/status")
            found = list(_clips(output))
            progress.update(task, completed=len(found), total=sum(status["segments"].values()))
            done = (status["recordings_open"], status["bytes_at_risk"]) == (0, 0)
            if done or time.monotonic() > deadline:
                return list(_clips(output))
            time.sleep(0.2)


def _clips(output: Path) -> Iterator[Shown]:
    """Every clip whose manifest, the last file to come, is there."""
    for path in sorted(output.glob("demo-*.json")):
        manifest = json.loads(path.read_bytes())
        suffix = ".mp4" if manifest["form"] == "clip" else ".guac"
        yield Shown(path.with_suffix(suffix), manifest)


def _table(clips: Sequence[Shown]) -> Table:
    table = Table("clip", "seconds", "kB", "encoder", "damage")
    for clip in clips:
        table.add_row(
            str(clip.path),
            f"{clip.manifest['duration_ms'] / 1000:.1f}",
            f"{clip.path.stat().st_size / 1000:.0f}",
            clip.manifest["encoder"] or f"raw: {clip.manifest['cause']}",
            str(len(clip.manifest["damage"])),
        )
    return table


def _contact_sheet(thumbnails: Sequence[Path], sheet: Path) -> None:
    """All thumbnails in one PNG, four in a row."""
    inputs = [part for path in thumbnails if path.exists() for part in ("-i", str(path))]
    count = len(inputs) // 2
    across = min(4, count)
    width, height = 480, 320
    fit = f"scale={width}:{height}:force_original_aspect_ratio=decrease,pad={width}:{height}:-1:-1"
    scaled = "".join(f"[{n}:v]{fit}[s{n}];" for n in range(count))
    joined = "".join(f"[s{n}]" for n in range(count))
    tile = f"concat=n={count},tile={across}x{math.ceil(count / across)}"
    subprocess.run(
        [
            *("ffmpeg", "-v", "error", "-y", *inputs),
            *("-filter_complex", f"{scaled}{joined}{tile}"),
            *("-frames:v", "1", str(sheet)),
        ],
        check=True,
    )
