"""The system calls that no worker makes, refused by a BPF program that is built here.

A list of what is refused, not of what is allowed: the programs inside are not ours (ffmpeg,
guacenc), and the service's own SystemCallFilter= is the list of what is allowed. The program's form
is ``linux/seccomp.h``'s and ``linux/filter.h``'s. Everything refused fails with EPERM, so that a
program that only tried goes on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Final

from kasm_recd.cage.landlock import prctl

#: AUDIT_ARCH_*, and which column of the table is this machine's.
_MACHINES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_X32: Final = 0x40000000  # a second numbering of the same calls, on x86_64

#: Call: its number on x86_64 and on aarch64, where it has one.
_REFUSED: Final[dict[str, tuple[int | None, int | None]]] = {
    # the network, and every other way to talk to a process that does not listen to us
    "socket": (41, 198),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    # what Landlock does not know about files, or not on every kernel
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "truncate": (76, 45),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "mknod": (133, None),
    "mknodat": (259, 33),
    # other views of the file system
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # large, seldom needed parts of the kernel; io_uring would pass this filter by
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
#: Call: numbers, and which argument must be 0, which stands for the caller itself.
_SELF_ONLY: Final = {
    "prlimit64": (302, 261, 0),
    "sched_setaffinity": (203, 122, 0),
    "sched_setscheduler": (144, 119, 0),
    "sched_setparam": (142, 118, 0),
    "sched_setattr": (314, 274, 0),
    "setpriority": (141, 140, 1),
    "ioprio_set": (251, 30, 1),
}
_SIGNALS: Final = {"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131)}
_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)  # its flags are out of a filter's sight: the C library falls back
_NEW_NAMESPACES: Final = 0x7E020080  # CLONE_NEW*

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_SECCOMP, _FILTER = 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def supported(machine: str | None = None) -> bool:
    """Whether this kernel takes filters and the table has this machine's numbers."""
    return (machine or os.uname().machine) in _MACHINES and os.path.exists(  # noqa: PTH110 - cost
        "/proc/sys/kernel/seccomp/actions_avail"
    )


def program(machine: str, *, only_signals_to: int | None) -> bytes:
    """The BPF program for ``machine``; raises KeyError where its numbers are not known.

    ``only_signals_to`` is the one process that may be sent a signal, its group aside; None leaves
    signals to Landlock.
    """
    audit, column = _MACHINES[machine]
    refuse, allow = _step(_RETURN, _ERRNO | errno.EPERM), _step(_RETURN, _ALLOW)
    load = _step(_LOAD, _NUMBER_AT)
    steps = [_step(_LOAD, _MACHINE_AT), _step(_EQUAL, audit, 1, 0), _step(_RETURN, _KILL), load]
    if machine == "x86_64":
        steps += [_step(_AT_LEAST, _X32, 0, 1), refuse]
    steps += [_step(_EQUAL, _CLONE3[column], 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    for numbers in _REFUSED.values():
        number = numbers[column]
        if number is not None:
            steps += [_step(_EQUAL, number, 0, 1), refuse]
    steps += [_step(_EQUAL, _CLONE[column], 0, 4), _step(_LOAD, _ARGUMENTS_AT)]
    steps += [_step(_ANY_BIT, _NEW_NAMESPACES, 0, 1), refuse, allow]
    for *both, argument in _SELF_ONLY.values():
        at = _ARGUMENTS_AT + 8 * argument
        steps += [_step(_EQUAL, both[column], 0, 4), _step(_LOAD, at), _step(_EQUAL, 0, 1, 0)]
        steps += [refuse, allow]
    if only_signals_to is not None:
        for signals in _SIGNALS.values():
            steps += [_step(_EQUAL, signals[column], 0, 5), _step(_LOAD, _ARGUMENTS_AT)]
            steps += [_step(_EQUAL, 0, 2, 0), _step(_EQUAL, only_signals_to, 1, 0), refuse, allow]
    return b"".join([*steps, allow])


def restrict(steps: bytes) -> None:
    """This process, from now on, runs under the filter ``steps``; raises OSError."""
    prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    filled = _Program(len(steps) // 8, steps)
    address = ctypes.cast(ctypes.pointer(filled), ctypes.c_void_p).value
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.c_ulong(address or 0), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
