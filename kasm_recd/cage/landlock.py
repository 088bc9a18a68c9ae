"""Landlock by raw system calls: the C library has no functions for them.

Numbers and structures: ``linux/landlock.h``; the meaning: docs.kernel.org/userspace-api/landlock.
A process may only give up rights, and its children have none that it gave up. Rules follow the
opened file, not its name: a symbolic link to elsewhere leads nowhere.
"""

from __future__ import annotations

import ctypes
import os
import stat
from typing import Final

EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
REMOVE_DIR: Final = 1 << 4
REMOVE_FILE: Final = 1 << 5
MAKE_DIR: Final = 1 << 7
MAKE_REG: Final = 1 << 8
TRUNCATE: Final = 1 << 14

READ: Final = READ_FILE | READ_DIR
RUN: Final = READ | EXECUTE
DEVICE: Final = READ_FILE | WRITE_FILE
OWN: Final = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG

#: The first interface version that lets a process give up signals to others (Linux 6.12).
SCOPES: Final = 6
_FILE_RIGHTS: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
#: All rights to files that an interface version knows, up to the last one that is told apart.
_KNOWN: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NETWORK: Final = {4: 0b11}
_SCOPED: Final = {SCOPES: 0b11}  # abstract sockets, signals

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_NO_NEW_PRIVS: Final = 38
_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The kernel's interface version, 0 where it has none or does not let us."""
    found = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))
    return max(0, int(found))


def restrict(rules: list[tuple[int, str]], *, known: int) -> None:
    """This process, from now on, has no rights to files but those of ``rules``.

    ``known`` is :func:`version`'s answer, above 0. A rule is rights and a path, and holds for all
    that lies beneath it; a path that is not there, or is a symbolic link, gives none. Raises
    OSError.
    """
    attributes = _Ruleset(_upto(_KNOWN, known), _upto(_NETWORK, known), _upto(_SCOPED, known))
    size = ctypes.sizeof(attributes)  # what an older kernel does not know is zero, which it takes
    ruleset = _call(
        _CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint(0)
    )
    for rights, path in rules:
        _allow(ruleset, rights & attributes.files, path)
    prctl(_NO_NEW_PRIVS, 1)
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    os.close(ruleset)


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process, see prctl in section 2 of the manual; raises OSError."""
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        _fail()


def _upto(table: dict[int, int], known: int) -> int:
    return max((bits for first, bits in table.items() if first <= known), default=0)


def _allow(ruleset: int, rights: int, path: str) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        kind = os.fstat(parent).st_mode
        if stat.S_ISLNK(kind):
            return
        if not stat.S_ISDIR(kind):
            rights &= _FILE_RIGHTS
        rule = _PathBeneath(rights, parent)
        _call(
            _ADD_RULE,
            *(ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH)),
            *(ctypes.byref(rule), ctypes.c_uint(0)),
        )
    finally:
        os.close(parent)


def _call(number: int, *arguments: object) -> int:
    found = int(_libc.syscall(number, *arguments))
    if found < 0:
        _fail()
    return found


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
