"""The last step before a worker's program: this process gives its rights up, then becomes it.

Started by :func:`kasm_recd.cage.policy.command`, with neither site-packages nor anything of ours
imported but these few modules::

    confine auto|require [x=PATH r=PATH l=PATH d=PATH w=PATH ...] -- PROGRAM [ARGUMENT ...]

x: read and execute, r: read, l: list folders, d: read and write a device, w: all but execute. What
``/proc`` says of the process itself it may read as well: the C library does.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import NoReturn

from kasm_recd.cage import landlock, seccomp

NOT_THERE, REFUSED = 127, 126  # the shell's codes: not found, found but cannot be run
#: SIGPIPE and SIGXFSZ: a Python ignores them, and what it becomes would too.
_IGNORED = (13, 25)
RIGHTS = {
    "x": landlock.RUN,
    "r": landlock.READ,
    "l": landlock.READ_DIR,
    "d": landlock.DEVICE,
    "w": landlock.OWN,
}


def main(arguments: list[str]) -> NoReturn:
    """Becomes the program; ends with a code of the shell's where it, or the cage, cannot be had.

    ``auto`` takes on what this kernel has, ``require`` all or nothing.
    """
    mode, *rest = arguments
    border = rest.index("--")
    rules = read_rules(rest[:border])
    argv = rest[border + 1 :]
    for ignored in _IGNORED:
        ctypes.CDLL(None).signal(ignored, None)
    try:
        enter(rules, require=mode == "require")
        os.execvp(argv[0], argv)  # noqa: S606 - a list, no shell
    except FileNotFoundError as error:
        _end(NOT_THERE, f"{argv[0]}: {error.strerror}")
    except OSError as error:
        _end(REFUSED, f"{argv[0]} was not started in its cage: {error}")


def read_rules(rules: list[str]) -> list[tuple[int, str]]:
    """As :func:`enter` takes them; what /proc says of this process is added."""
    own = (landlock.READ, f"/proc/{os.getpid()}")
    return [*((RIGHTS[rule[0]], rule[2:]) for rule in rules), own]


def _end(code: int, message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
    os._exit(code)


def enter(rules: list[tuple[int, str]], *, require: bool) -> None:
    """Gives up what is not in ``rules``; raises OSError where a part cannot be had.

    Without ``require`` a part that this kernel does not have is left out.
    """
    known = landlock.version()
    if known:
        landlock.restrict(rules, known=known)
    elif require:
        raise OSError("the kernel has no Landlock")
    machine = os.uname().machine
    if seccomp.supported(machine):
        alone = None if known >= landlock.SCOPES else os.getpid()
        seccomp.restrict(seccomp.program(machine, only_signals_to=alone))
    elif require:
        raise OSError(f"the kernel has no seccomp filters for {machine}")
