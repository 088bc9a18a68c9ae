"""Which cage a command gets: decided by the daemon, from the command line alone.

A worker may read and run the system's programs and libraries and its own program's, read the files
that its command line names, and do as it likes in its folder, except run what it made there.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from kasm_recd.cage import landlock, seccomp
from kasm_recd.errors import SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Mode = Literal["auto", "require", "off"]

PACKAGE: Final = Path(__file__).parents[1]
_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from kasm_recd.cage.confine import main; main(sys.argv[2:])"
)
_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
#: Read at the start of many programs: the linker, the time zone, the fonts, the TLS library.
_SYSTEM_FILES: Final = (
    *("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    *("/etc/localtime", "/etc/fonts", "/etc/ssl/openssl.cnf"),
    f"/etc/python{sys.version_info.major}.{sys.version_info.minor}",  # Debian's sitecustomize
    *("/dev/zero", "/dev/random", "/dev/urandom"),
    "/sys/devices/system/cpu",
)
_DEVICES: Final = ("/dev/null",)
#: What belongs to a program in PREFIX/bin; not all of PREFIX, which may be somebody's home.
_PROGRAM_FOLDERS: Final = ("bin", "sbin", "lib", "lib64", "libexec", "share", "etc")


def missing() -> list[str]:
    """What this machine's kernel cannot give a cage."""
    found = []
    if not landlock.version():
        found.append("Landlock (files, signals, other processes)")
    if not seccomp.supported():
        found.append("seccomp (network, other processes)")
    return found


def demand(mode: Mode) -> list[str]:
    """As :func:`missing`, nothing of it where the cage is off; raises SettingsInvalid."""
    lacking = [] if mode == "off" else missing()
    if lacking and mode == "require":
        raise SettingsInvalid(
            f"worker_cage = require, but this kernel does not offer {' and '.join(lacking)}",
            hint="Boot with lsm=landlock,... or take a kernel of 5.13 or later; or set "
            "worker_cage = auto, which leaves out what the kernel does not have.",
        )
    return lacking


def hide_memory() -> None:
    """No process of the same user may read this one's memory, which holds the store's secret.

    A child is hidden likewise until its exec; no core is written either (PR_SET_DUMPABLE).
    """
    landlock.prctl(4, 0)


def command(argv: Sequence[str], folder: Path, mode: Mode) -> list[str]:
    """The command line that becomes ``argv`` in a cage around ``folder``."""
    if mode == "off":
        return list(argv)
    start = (sys.executable, "-I", "-S", "-c", _START, str(PACKAGE.parent))
    return [*start, mode, *rules(argv, folder), "--", *argv]


def rules(argv: Sequence[str], folder: Path) -> list[str]:
    """What ``argv`` may touch, as :mod:`kasm_recd.cage.confine` reads it."""
    own = Path(os.path.realpath(folder))
    programs = [*_system()]
    if argv[0] == sys.executable:
        programs += _our_python()
    else:
        program = shutil.which(argv[0]) or argv[0]
        programs += (f"x={path}" for path in _program(Path(program), own))
    named = (f"r={argument}" for argument in argv[1:] if _is_named_file(argument))
    return [*dict.fromkeys(programs), *named, f"w={own}"]


@functools.cache
def _system() -> tuple[str, ...]:
    return (
        *(f"x={os.path.realpath(path)}" for path in _SYSTEM),
        *(f"r={os.path.realpath(path)}" for path in _SYSTEM_FILES),
        *(f"d={path}" for path in _DEVICES),
    )


@functools.cache
def _our_python() -> tuple[str, ...]:
    """The interpreter, its libraries, this package, and the folder that it is found in."""
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    return (
        *(f"x={os.path.realpath(prefix)}" for prefix in sorted(prefixes)),
        f"r={os.path.realpath(PACKAGE)}",
        f"l={os.path.realpath(PACKAGE.parent)}",
    )


def _program(program: Path, own: Path) -> Iterator[Path]:
    """The program, and what it was installed with: as it is named, and where links lead."""
    for path in (program, Path(os.path.realpath(program))):
        yield Path(os.path.realpath(path))
        folder = path.parent
        if folder.name in {"bin", "sbin"}:
            yield from (Path(os.path.realpath(folder.parent / each)) for each in _PROGRAM_FOLDERS)
        elif not own.is_relative_to(folder):
            yield Path(os.path.realpath(folder))


def _is_named_file(argument: str) -> bool:
    return argument.startswith("/") and os.path.isfile(argument)  # noqa: PTH113 - links: no rule
