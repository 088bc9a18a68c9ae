"""What a worker prints is its answer, or it has failed."""

from __future__ import annotations

import pytest

from kasm_recd.answers import answer
from kasm_recd.errors import WorkerFailed


def test_the_last_line_is_the_answer() -> None:
    assert answer("cut", b'noise\n{"length": 3}\n') == {"length": 3}


@pytest.mark.parametrize(
    "stdout",
    [
        b"",
        b"\n",
        b"no result",
        b'{"length": 3',
        b'{"length": 3}\nnoise',
        b"[1, 2]",
        b"null",
        b"\xff\xfe{",
        b"9" * 10_000,
        b"[" * 100_000,
    ],
)
def test_a_worker_that_does_not_answer_has_failed(stdout: bytes) -> None:
    with pytest.raises(WorkerFailed, match="worker cut gave no result"):
        answer("cut", stdout)
