"""The mending worker: what strict readers are given."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from kasm_recd.guacamole.instructions import Instruction, encode, read
from kasm_recd.workers.mend import mend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def read_strictly(stream: bytes) -> list[str]:
    """Opcodes of a stream as the protocol has it, with no forgiveness."""
    text = stream.decode()
    opcodes, position, fresh = [], 0, True
    while position < len(text):
        dot = text.index(".", position)
        end = dot + 1 + int(text[position:dot])
        if fresh:
            opcodes.append(text[dot + 1 : end])
        assert text[end] in ",;"
        fresh, position = text[end] == ";", end + 1
    assert fresh
    return opcodes


def test_a_mended_recording_is_what_was_recorded_without_the_broken_bytes(
    recordings: Callable[[str], Path], reference_index: dict[str, Any], tmp_path: Path
) -> None:
    body, mended = recordings("ssh-title-9c.guac"), tmp_path / "mended"
    with pytest.raises((ValueError, AssertionError)):
        read_strictly(body.read_bytes())
    argv = [sys.executable, "-I", "-m", "kasm_recd.workers.mend", "--input", str(body)]
    done = subprocess.run(
        [*argv, "--output", str(mended)], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == {"length": mended.stat().st_size, "removed": 14}
    repaired = reference_index["ssh-title-9c.guac"]["repaired"]
    assert hashlib.sha256(mended.read_bytes()).hexdigest() == repaired["sha256"]
    assert read_strictly(mended.read_bytes()).count("sync") == repaired["sync_count"]


def test_a_torn_tail_is_left_out(
    recordings: Callable[[str], Path], reference_index: dict[str, Any], tmp_path: Path
) -> None:
    body, mended = recordings("abrupt-midins.guac"), tmp_path / "mended"
    mend(body, mended)
    end = reference_index["abrupt-midins.guac"]["parse_stops"]["offset"]
    assert mended.read_bytes() == body.read_bytes()[:end]


def test_a_sound_recording_is_copied_as_it_is(
    recordings: Callable[[str], Path], tmp_path: Path
) -> None:
    body, mended = recordings("reconnect.guac"), tmp_path / "mended"
    assert mend(body, mended) == {"length": body.stat().st_size, "removed": 0}
    assert mended.read_bytes() == body.read_bytes()
    assert mended.stat().st_mode & 0o777 == 0o600


def test_damage_anywhere_is_left_out_and_a_sync_that_leaps_with_it(tmp_path: Path) -> None:
    body, mended = tmp_path / "body", tmp_path / "mended"
    sync, rect = encode("sync", 5_000), encode("rect", 0, 1, 2, 3, 4)
    leap = encode("sync", 10**13)
    body.write_bytes(b"\0" * 50 + rect + sync + b"junk" + rect + leap + sync + leap + b"4.re")
    mend(body, mended)
    assert mended.read_bytes() == rect + sync + rect + sync


def test_nothing_but_damage_is_an_empty_file(tmp_path: Path) -> None:
    body, mended = tmp_path / "body", tmp_path / "mended"
    body.write_bytes(b"\0" * 1_000)
    assert mend(body, mended) == {"length": 0, "removed": 1_000}
    assert mended.read_bytes() == b""


def test_what_is_written_is_what_the_reader_gave(tmp_path: Path) -> None:
    body, mended = tmp_path / "body", tmp_path / "mended"
    stream = b"".join(encode("log", "x" * n) + b"?" * (n % 3) for n in range(300))
    body.write_bytes(stream)
    mend(body, mended)
    sound = [found for found in read([stream]) if isinstance(found, Instruction)]
    assert mended.read_bytes() == b"".join(stream[found.start : found.end] for found in sound)


def test_a_preamble_stands_before_the_body_as_if_they_were_one_file(tmp_path: Path) -> None:
    whole = encode("size", 0, 10, 10) + encode("blob", 1, "AAAA") + encode("sync", 2)
    preamble, body = tmp_path / "preamble", tmp_path / "body"
    preamble.write_bytes(whole[:30])
    body.write_bytes(whole[30:] + b"4.torn,")
    found = mend(body, tmp_path / "mended", preamble)
    assert (tmp_path / "mended").read_bytes() == whole
    assert found == {"length": len(whole), "removed": len(b"4.torn,")}
