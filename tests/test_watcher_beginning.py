from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd.guacamole.opcodes import OPCODES
from kasm_recd.watcher.beginning import begins_recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ["ssh-work.guac", "rdp-desktop.guac", "v155-vnc.guac", "rdp-failed-login.guac"]


@pytest.mark.parametrize("name", NAMES)
def test_real_recordings_are_recordings(recordings: Callable[[str], Path], name: str) -> None:
    assert begins_recording(recordings(name).read_bytes()) is True


@pytest.mark.parametrize(
    "head",
    [
        b"\0" * 64,
        b"#!/bin/sh\n",
        b"\x89PNG\r\n",
        b'{"kasm_id": "1"}',
        b"4 size,",
        b"2026-11-23 a log line",
        b"1. a list of things",
        b"5.size,1.0",  # one more than it has
        b"3.size,1.0",
        b"4.evil,1.0",
        b"4.size.",
        b"123456.size",
        b"0.,",
        b".size,",
        b"-4.size,",
    ],
)
def test_other_files_are_not(head: bytes) -> None:
    assert begins_recording(head) is False


@given(st.sampled_from(sorted(OPCODES)), st.integers(0, 20))
def test_a_beginning_that_is_too_short_to_tell_is_not_judged_yet(opcode: str, cut: int) -> None:
    whole = f"{len(opcode)}.{opcode},".encode()
    head = whole[:cut]
    assert begins_recording(head) is (True if len(head) == len(whole) else None)


@given(st.binary(max_size=64))
def test_any_bytes_get_an_answer(head: bytes) -> None:
    assert begins_recording(head) in {True, False, None}
