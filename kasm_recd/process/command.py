"""How a child is started: an exec chain of util-linux and coreutils, one process from end to end.

::

    setpriv --pdeathsig KILL  ->  prlimit  ->  nice  ->  its cage  ->  the program

so that the kernel ends it when the daemon dies, whatever the daemon dies of, holds it to its
limits, and keeps it from all that is not its business (:mod:`kasm_recd.cage`). Nothing of ours runs
between fork and exec.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kasm_recd.cage import policy
from kasm_recd.errors import EncoderMissing

if TYPE_CHECKING:
    from collections.abc import Sequence

NICENESS: Final = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use: bytes of address space, bytes of one file, CPU and wall seconds.

    ``cage`` is whether it is kept in one: where the kernel can, or else not at all, or never.
    """

    memory: int
    file_size: int
    cpu_seconds: int
    deadline_s: float
    cage: policy.Mode = "auto"


def worker_argv(name: str, *args: str) -> list[str]:
    """The command line of one of our own worker programs."""
    return [sys.executable, "-I", "-m", f"kasm_recd.workers.{name}", *args]


def find_program(name: str, *, hint: str) -> str:
    """The absolute path of ``name``; ``hint`` says how to get it.

    Raises:
        EncoderMissing: it is not on PATH.
    """
    found = shutil.which(name)
    if found is None:
        raise EncoderMissing(f"{name} is not on PATH", hint=hint)
    return str(Path(found).absolute())


@functools.cache
def wrapper() -> tuple[str, str, str]:
    """Paths of setpriv, prlimit and nice; raises EncoderMissing where one is not there."""
    return (
        find_program("setpriv", hint="apt-get install util-linux"),
        find_program("prlimit", hint="apt-get install util-linux"),
        find_program("nice", hint="apt-get install coreutils"),
    )


def name_of(argv: Sequence[str]) -> str:
    """What messages call a program: its file name, or the name of our worker."""
    if list(argv[1:3]) == ["-I", "-m"]:
        return f"worker {argv[3].rpartition('.')[2]}"
    return Path(argv[0]).name


def chain(argv: Sequence[str], limits: Limits, folder: Path) -> list[str]:
    """The command line that becomes ``argv`` in ``folder``, under ``limits``.

    Raises EncoderMissing where a program of the chain is not on this machine.
    """
    setpriv, prlimit, nice = wrapper()
    return [
        *(setpriv, "--pdeathsig", "KILL", "--no-new-privs"),
        *(prlimit, f"--as={limits.memory}", f"--fsize={limits.file_size}", "--core=0"),
        f"--cpu={limits.cpu_seconds}:{limits.cpu_seconds + 1}",  # soft first: SIGXCPU says why
        *(nice, "-n", str(NICENESS)),
        *policy.command(argv, folder, limits.cage),
    ]


def environment(folder: Path | str) -> dict[str, str]:
    """Made from nothing, so that no secret of the daemon's environment gets into a child."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "OPENBLAS_NUM_THREADS": "1",  # a pool of threads eats the address space
        "OMP_NUM_THREADS": "1",
    }
