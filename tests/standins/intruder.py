"""A worker that was talked into everything: it tries each thing and says which it could do.

``intruder.py ORDERS INPUT``: the first is a JSON file that names what there is to break into, the
second its proper input. Prints ``{try: what came of it}``, "done" or the error's name.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206
PROCESS_VM_READV = {"x86_64": 310, "aarch64": 270}
IO_URING_SETUP = 425


def call(function: Any, *arguments: Any) -> None:
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def connect(family: socket.AddressFamily, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as mine:
        mine.settimeout(5)
        mine.connect(address)


def read_memory(pid: int) -> None:
    with Path(f"/proc/{pid}/mem").open("rb") as memory:
        memory.read(1)


def read_memory_by_call(pid: int) -> None:
    room = ctypes.create_string_buffer(8)
    local = struct.pack("QQ", ctypes.addressof(room), 8)
    call(
        LIBC.syscall, PROCESS_VM_READV[os.uname().machine], pid, local, ctypes.c_ulong(1), local,
        ctypes.c_ulong(1), ctypes.c_ulong(0),
    )  # fmt: skip


def read_through_link(secret: Path) -> None:
    Path("link").symlink_to(secret)
    Path("link").read_bytes()


def made(name: str) -> Path:
    """A program in the own folder."""
    descriptor = os.open(name, os.O_CREAT | os.O_WRONLY, 0o777)
    os.write(descriptor, Path("/bin/true").read_bytes())
    os.close(descriptor)
    return Path(name)


def execute(program: str) -> None:
    child = os.fork()
    if child == 0:
        try:
            os.execv(program, [program])  # noqa: S606 - that is the try
        except OSError as error:
            os._exit(error.errno or 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


def tries(to: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    secret, file = Path(to["secret"]), Path(to["elsewhere"]) / "file"
    return {
        **tries_of_the_network(to),
        **tries_of_the_daemon(to["daemon"]),
        "read the secret": secret.read_bytes,
        "list the credentials": lambda: list(secret.parent.iterdir()),
        "read the secret through a link": lambda: read_through_link(secret),
        "link the secret into the own folder": lambda: Path("hard-link").hardlink_to(secret),
        "read /etc/passwd": lambda: Path("/etc/passwd").read_bytes(),
        "write elsewhere": lambda: file.with_name("new").write_bytes(b"x"),
        "write over another file": lambda: file.write_bytes(b"x"),
        "truncate another file": lambda: os.truncate(file, 0),
        "remove another file": file.unlink,
        "move a file out": lambda: made("own").rename(file.with_name("own")),
        "change another file's mode": lambda: file.chmod(0o777),
        "change another file's time": lambda: os.utime(file),
        "mark another file": lambda: os.setxattr(file, "user.mark", b"x"),
        "write to what it reads": lambda: Path(to["input"]).write_bytes(b"x"),
        "run what it made": lambda: execute(f"./{made('program')}"),
        "run a program of another place": lambda: execute(to["program"]),
        "enter another namespace": lambda: call(LIBC.unshare, 0x10000000),
    }


def tries_of_the_network(to: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    return {
        "connect by TCP": lambda: connect(socket.AF_INET, ("127.0.0.1", to["port"])),
        "send by UDP": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close(),
        "connect to the admission socket": lambda: connect(socket.AF_UNIX, to["socket"]),
        "connect to an abstract socket": lambda: connect(socket.AF_UNIX, to["abstract"]),
        "set up io_uring": lambda: call(
            LIBC.syscall, IO_URING_SETUP, 1, ctypes.create_string_buffer(120)
        ),
    }


def tries_of_the_daemon(daemon: int) -> dict[str, Callable[[], Any]]:
    return {
        "read its memory": lambda: read_memory(daemon),
        "read its memory by a call": lambda: read_memory_by_call(daemon),
        "read its environment": lambda: Path(f"/proc/{daemon}/environ").read_bytes(),
        "list its descriptors": lambda: list(Path(f"/proc/{daemon}/fd").iterdir()),
        "trace it": lambda: call(LIBC.ptrace, PTRACE_SEIZE, daemon, None, None),
        "signal it": lambda: os.kill(daemon, signal.SIGCONT),
        "signal its group": lambda: os.killpg(daemon, signal.SIGCONT),
        "watch its end": lambda: os.pidfd_open(daemon),
        "slow it down": lambda: os.setpriority(os.PRIO_PROCESS, daemon, 19),
        "take its descriptors": lambda: resource.prlimit(daemon, resource.RLIMIT_NOFILE, (4, 4)),
    }


def come_of(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def main() -> None:
    to = json.loads(Path(sys.argv[1]).read_text())
    with Path(to["input"]).open("rb") as source, Path("copy").open("wb") as target:
        target.write(source.read())  # all that it is here for
    print(json.dumps({name: come_of(attempt) for name, attempt in tries(to).items()}))


if __name__ == "__main__":
    main()
