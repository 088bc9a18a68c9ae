"""Recordings with harm done to them, surveyed and encoded at once: ``python -m tests.mutations``.

Each mutant is encoded in a process of its own with bounds on memory, CPU, file size and time, and
has to end in a clip, in a clean refusal (one line, exit code 1), or as nothing to see; the survey
that comes with a clip has to say what reading the mutant at once finds. What ends otherwise is kept
in ``--keep``, by its number. A mutant is made from its number alone, so a run goes on where
``--state`` says that the last one stopped, and any finding can be made again.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kasm_recd.contents import contents_to_json
from kasm_recd.guacamole.contents import summarise
from kasm_recd.guacamole.instructions import read
from kasm_recd.workers import render

if TYPE_CHECKING:
    from collections.abc import Callable

DATA: Final = Path(__file__).parent / "data" / "recordings"
#: Name and how much of it: enough of each kind of drawing, little enough for thousands of runs.
SOURCES: Final = (
    ("rdp-failed-login.guac", 0, 60_000),
    ("vnc-idle.guac", 0, 60_000),
    ("reconnect.guac.1", 0, 60_000),
    ("ssh-work.guac", 0, 90_000),
    ("rdp-desktop.guac", 0, 120_000),
    ("v155-vnc.guac", 0, 120_000),
)
MEMORY: Final = 2_000_000_000
FILE_SIZE: Final = 50_000_000
CPU_S: Final = 20
WALL_S: Final = 60
CLIP, REFUSED, NOTHING, BROKEN = 0, 1, 2, 3
NAMES: Final = {CLIP: "clip", REFUSED: "clean refusal", NOTHING: "nothing to see", BROKEN: "broken"}


def sources() -> list[bytes]:
    """The whole recordings' beginnings, by :data:`SOURCES`."""
    return [
        lzma.decompress((DATA / f"{name}.xz").read_bytes())[start : start + length]
        for name, start, length in SOURCES
    ]


def mutant(number: int, whole: list[bytes]) -> bytes:
    """The mutant of that number: one to eight harms done to one of ``whole``."""
    chance = random.Random(number)
    data = bytearray(whole[number % len(whole)])
    for _ in range(chance.randint(1, 8)):
        chance.choice(_HARMS)(data, chance)
    return bytes(data)


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)


def _drop(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data) - 1)
    del data[start : start + min(chance.randint(1, 4_000), len(data) - start - 1)]


def _repeat(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    part = data[start : start + chance.randint(1, 2_000)]
    at = chance.randrange(len(data))
    data[at:at] = part * chance.randint(1, 8)


def _renumber(data: bytearray, chance: random.Random) -> None:
    """Other arguments of the same length, so that the instruction stays one."""
    for _ in range(chance.randint(1, 30)):
        at = data.find(b".", chance.randrange(len(data))) + 1
        while at < len(data) and 0x30 <= data[at] <= 0x39:
            data[at] = chance.choice(b"0123456789")
            at += 1


def _say(data: bytearray, chance: random.Random) -> None:
    """Instructions that ask for too much, or for another time."""
    huge = chance.choice((-1, 0, 2**16, 2**24, 2**31, 2**53, 10**18))
    said = chance.choice(
        (
            ("size", 0, huge, 720),
            ("size", -1, 9_000, huge),
            ("sync", huge),
            ("sync", 4_000_000_000),
            ("copy", 0, 0, 0, huge, huge, 14, 0, 9, 9),
            ("rect", 0, 0, 0, huge, huge),
            ("move", 1, 1, 0, 0, 0),
            ("img", 1, 14, 0, "image/png", 0, 0),
            ("mouse", huge, huge, 0, 1),
            ("cursor", huge, 0, -1, 0, 0, 64, 64),
            ("dispose", 0),
        )
    )
    text = ",".join(f"{len(str(part))}.{part}" for part in said) + ";"
    at = data.find(b";", chance.randrange(len(data))) + 1
    data[at:at] = text.encode()


def _cut_off(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) // 2, len(data)) :]


_HARMS: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    *(_flip, _drop, _repeat, _renumber, _renumber, _say, _say, _cut_off),
)


def encode(data: bytes, folder: Path) -> int:
    """As the daemon does it: encode at Kasm's defaults, and survey on the way; the outcome."""
    contents = summarise(read([data]))
    if contents.empty or contents.last_sync is None:
        return NOTHING
    body, clip = folder / "body", folder / "clip.mp4"
    body.write_bytes(data)
    argv = ["--input", str(body), "--output", str(clip), "--thumbnail", str(folder / "thumb.jpg")]
    argv += ["--seek-aids", str(folder), "--survey-from", "0"]
    argv += ["--width", "720", "--height", "480", "--framerate", "2", "--bitrate", "8000000"]
    return render.main([*argv, "--end-timestamp", str(contents.last_sync)])


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a mutant (of ``NAMES``), whether drawing of it was lost, what it took."""

    outcome: int
    damaged: bool = False
    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory: int = 0
    """Bytes at the peak, of the process that encoded."""
    file_size: int = 0
    """Bytes of the largest file that it left."""


def outcome(data: bytes) -> Ended:
    """What becomes of ``data`` in a process of its own, within bounds."""
    with tempfile.TemporaryDirectory(prefix="kasm-recd-mutant-") as name:
        folder, began = Path(name), time.monotonic()
        child = os.fork()
        if child == 0:
            os._exit(_bounded(data, folder))
        while True:
            ended, status, used = os.wait4(child, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > began + WALL_S:
                os.kill(child, signal.SIGKILL)
                _, status, used = os.wait4(child, 0)
                break
            time.sleep(0.002)
        code, answers = os.waitstatus_to_exitcode(status), _answers(folder / "said")
        read_right = all(answer["contents"] == _contents(data) for answer in answers)
        return Ended(
            outcome=code if code in NAMES and read_right else BROKEN,
            damaged=any(answer["damage"] for answer in answers),
            wall_s=time.monotonic() - began,
            cpu_s=used.ru_utime + used.ru_stime,
            memory=used.ru_maxrss * 1024,
            file_size=max((path.stat().st_size for path in folder.iterdir()), default=0),
        )


def _answers(said: Path) -> list[dict[str, Any]]:
    """What the worker answered, if it did."""
    lines = said.read_text(errors="replace").splitlines() if said.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{")]


def _contents(data: bytes) -> dict[str, Any]:
    """What a survey on the way has to find in it."""
    return contents_to_json(summarise(read([data])))


def _bounded(data: bytes, folder: Path) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    with (folder / "said").open("w") as said, redirect_stdout(said), redirect_stderr(said):
        try:
            return encode(data, folder)
        except BaseException:  # noqa: BLE001 - whatever it is, it is the finding
            traceback.print_exc(file=sys.__stderr__)
            return BROKEN


@dataclass(slots=True)
class Tally:
    """All that mutants ended in, and the most that one of them took."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory: int = 0
    file_size: int = 0

    def add(self, ended: Ended) -> None:
        self.outcomes[NAMES[ended.outcome] + " with damage" * ended.damaged] += 1
        self.wall_s = max(self.wall_s, ended.wall_s)
        self.cpu_s = max(self.cpu_s, ended.cpu_s)
        self.memory = max(self.memory, ended.memory)
        self.file_size = max(self.file_size, ended.file_size)

    def __str__(self) -> str:
        ended = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return (
            f"{ended}; at most {self.wall_s:.1f} s, {self.cpu_s:.1f} CPU s,"
            f" {self.memory / 1e6:.0f} MB of memory, {self.file_size / 1e6:.1f} MB in a file"
        )


def main() -> int:
    """Runs mutants; 1 where one of them broke something."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1_800, help="ends sooner, to be gone on")
    parser.add_argument("--state", type=Path, help="where the next number is kept")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    given = parser.parse_args()
    first = given.first
    if given.state and given.state.exists():
        first = int(given.state.read_text())
    whole, deadline, tally, broken = sources(), time.monotonic() + given.seconds, Tally(), 0
    for number in range(first, given.first + given.count):
        if time.monotonic() > deadline:
            break
        data = mutant(number, whole)
        ended = outcome(data)
        tally.add(ended)
        if ended.outcome == BROKEN:
            broken += 1
            given.keep.mkdir(exist_ok=True)
            (given.keep / f"{number}.guac").write_bytes(data)
        if given.state:
            given.state.write_text(str(number + 1))
    print(tally)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
