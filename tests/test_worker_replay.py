"""The replay worker: the display after a segment, as the next one's preamble."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from kasm_recd.guacamole.display import Display
from kasm_recd.guacamole.instructions import Instruction, encode, read
from kasm_recd.workers.replay import replay
from tests.display_state import differences

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: The high-water mark of the program alone: that of rusage knows the process that it came from.
_REPLAY_AND_TELL_PEAK = """
import sys
from pathlib import Path
from kasm_recd.workers.replay import replay
replay(Path(sys.argv[1]), Path(sys.argv[2]))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def _run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", "-m", "kasm_recd.workers.replay", *map(str, args)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _answer(*args: str | Path) -> dict[str, Any]:
    done = _run(*args)
    assert (done.returncode, done.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _shown(data: bytes) -> Display:
    display = Display()
    for found in read([data]):
        if isinstance(found, Instruction):
            display.apply(found)
    return display


def _cut(data: bytes, parts: int) -> list[bytes]:
    """In about equal parts, each after a ``sync``."""
    found = [each for each in read([data]) if isinstance(each, Instruction)]
    ends = [each.end for each in found if each.opcode == "sync"]
    cuts = [0, *(ends[len(ends) * part // parts] for part in range(1, parts)), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


def test_preambles_follow_each_other_through_a_recording(
    recordings: Callable[[str], Path], tmp_path: Path
) -> None:
    data = recordings("v155-vnc.guac").read_bytes()
    before: list[str | Path] = []
    for number, body in enumerate(_cut(data, 3)):
        segment, following = tmp_path / f"{number}.guac", tmp_path / f"{number}.next"
        segment.write_bytes(body)
        answer = _answer("--input", segment, *before, "--output", following)
        written = following.read_bytes()
        assert answer["length"] == len(written)
        assert answer["sha256"] == hashlib.sha256(written).hexdigest()
        assert written.endswith(f"{answer['timestamp']};".encode())
        assert following.stat().st_mode & 0o777 == 0o600
        before = ["--preamble", following]
    assert differences(_shown(data), _shown(written)) == []


def test_damage_is_passed_over(recordings: Callable[[str], Path], tmp_path: Path) -> None:
    body, following = recordings("ssh-title-9c.guac"), tmp_path / "next"
    _answer("--input", body, "--output", following)
    assert differences(_shown(body.read_bytes()), _shown(following.read_bytes())) == []


def test_a_body_without_a_sync_keeps_the_time_of_its_preamble(tmp_path: Path) -> None:
    before, body = tmp_path / "preamble", tmp_path / "body"
    before.write_bytes(encode("size", 0, 9, 9) + encode("sync", 5_000, 2))
    body.write_bytes(encode("rect", 0, 1, 1, 3, 3))
    assert replay(body, tmp_path / "next", before=before)["timestamp"] == 5_000
    following = (tmp_path / "next").read_bytes()
    assert encode("rect", 0, 1, 1, 3, 3) in following
    assert following.endswith(encode("sync", 5_000, 2))


def test_what_has_no_time_yet_gets_a_preamble_without_one(tmp_path: Path) -> None:
    body, following = tmp_path / "body", tmp_path / "next"
    drawn = encode("size", 0, 9, 9) + encode("rect", 0, 0, 0, 4, 4) + encode("mouse", 3, 4)
    body.write_bytes(drawn + encode("cfill", 14, 0, 255, 0, 0, 255))
    assert replay(body, following)["timestamp"] is None
    written = following.read_bytes()
    assert b"4.sync" not in written
    assert differences(_shown(body.read_bytes()), _shown(written)) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    body, following = tmp_path / "body", tmp_path / "next"
    body.write_bytes(encode("sync", 1))
    following.write_bytes(b"mine")
    assert _run("--input", body, "--output", following).returncode == 1
    assert following.read_bytes() == b"mine"


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    body = tmp_path / "body"
    nobodys = encode("blob", 5, b"A" * 8_000)
    with body.open("wb") as file:
        file.write(encode("size", 0, 9, 9))
        for _ in range(80):
            file.write(nobodys * 250)
        file.write(encode("sync", 1))
    assert body.stat().st_size > 160_000_000
    done = subprocess.run(
        [sys.executable, "-I", "-c", _REPLAY_AND_TELL_PEAK, body, tmp_path / "next"],
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) < 150_000
