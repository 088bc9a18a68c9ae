"""``kasm-recd``: the command line.

Exit codes: 0 yes, 1 no (it failed, or something is wrong), 2 the call itself was wrong, 3 the
settings are invalid.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from kasm_recd import (
    __version__,
    breach_commands,
    commands,
    daemon,
    demo,
    doctor_commands,
    file_commands,
    puncher,
    roll_commands,
    units,
)
from kasm_recd.errors import RecdError, SettingsInvalid
from kasm_recd.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kasm_recd.options import Commands

OK, NO, WRONG_CALL, BAD_SETTINGS = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the return value is the exit code."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except RecdError as error:
        print(f"kasm-recd: {error}", file=sys.stderr)
        if error.hint:
            print(f"  what to do: {error.hint}", file=sys.stderr)
        return BAD_SETTINGS if isinstance(error, SettingsInvalid) else NO
    except KeyboardInterrupt:
        return NO
    except BrokenPipeError:
        # The reader of our output left (a pager, `head`); nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kasm-recd",
        description="Session recorder for Guacamole gateways.",
        epilog="Exit codes: 0 yes, 1 no, 2 wrong call, 3 invalid settings.",
    )
    parser.add_argument("--version", action="version", version=f"kasm-recd {__version__}")
    commands_of = parser.add_subparsers(required=True, metavar="COMMAND")
    options = Options.make()
    _add_daemon_commands(commands_of, options)
    breach_commands.add(commands_of, options)
    doctor_commands.add(commands_of, options)
    _add_file_commands(commands_of)
    _add_segment_commands(commands_of)
    _add_demo(commands_of)
    _add_helper(commands_of)
    return parser


def _add_daemon_commands(commands_of: Commands, options: Options) -> None:
    settings, socket, script = options.settings, options.socket, options.script
    run = commands_of.add_parser("run", help="be the daemon", parents=[settings, socket])
    run.set_defaults(command=lambda a: daemon.run(config=a.config, socket=a.socket))

    check = commands_of.add_parser(
        "check-config", help="say whether the settings are valid", parents=[settings, script]
    )
    check.set_defaults(command=lambda a: commands.check_config(a.config, as_json=a.json))

    status = commands_of.add_parser(
        "status", help="queue, states, disk", parents=[settings, socket, script]
    )
    status.set_defaults(command=lambda a: commands.status(a.config, a.socket, as_json=a.json))

    drain = commands_of.add_parser(
        "drain", help="take no more sessions and wait until all is stored", parents=[socket]
    )
    drain.add_argument("--timeout", type=float, default=0.0, metavar="S", help="0: for ever")
    drain.set_defaults(command=lambda a: commands.drain(a.socket, timeout_s=a.timeout))

    journal = commands_of.add_parser("journal", help="the durable state of the daemon")
    verbs = journal.add_subparsers(required=True, metavar="VERB")
    rebuild = verbs.add_parser(
        "rebuild", help="make the journal again from the spool", parents=[settings, script]
    )
    rebuild.set_defaults(command=lambda a: commands.rebuild(a.config, as_json=a.json))


def _add_file_commands(commands_of: Commands) -> None:
    inspect = commands_of.add_parser("inspect", help="what a recording holds, as JSON")
    inspect.add_argument("file", type=Path, metavar="FILE.guac")
    inspect.set_defaults(command=lambda a: file_commands.inspect(a.file))

    encode = commands_of.add_parser("encode", help="make a clip from a recording")
    encode.add_argument("file", type=Path, metavar="FILE.guac")
    encode.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.mp4")
    encode.add_argument("--encoder", choices=["auto", "native", "guacenc"], default="auto")
    encode.add_argument("--size", type=_size, default=(720, 480), metavar="WxH")
    encode.add_argument("--framerate", type=_positive, default=2, metavar="N")
    encode.add_argument("--bitrate", type=_positive, default=8, metavar="M", help="Mbit/s at most")
    encode.set_defaults(
        command=lambda a: file_commands.encode(
            a.file,
            a.output,
            encoder=a.encoder,
            size=a.size,
            framerate=a.framerate,
            bitrate=a.bitrate * 1_000_000,
            console=Console(stderr=True),
        )
    )


def _add_segment_commands(commands_of: Commands) -> None:
    roll = commands_of.add_parser("roll", help="cut a recording into segments that play alone")
    roll.add_argument("file", type=Path, metavar="FILE.guac")
    roll.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    roll.add_argument("--segment-size", type=_bytes, default="150MB", metavar="N")
    roll.set_defaults(
        command=lambda a: roll_commands.roll(a.file, a.output, segment_size=a.segment_size)
    )

    join = commands_of.add_parser("join", help="put such segments together again")
    join.add_argument("folder", type=Path, metavar="DIR")
    join.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.guac")
    join.set_defaults(command=lambda a: roll_commands.join(a.folder, a.output))


def _add_demo(commands_of: Commands) -> None:
    show = commands_of.add_parser("demo", help="real recordings in, playable clips out")
    show.add_argument("--output", type=Path, default=Path("demo-out"), metavar="DIR")
    show.add_argument(
        "--recordings", type=Path, default=Path("tests/data/recordings"), metavar="DIR"
    )
    show.set_defaults(command=lambda a: demo.run(a.recordings, a.output, Console()))


def _add_helper(commands_of: Commands) -> None:
    helper = commands_of.add_parser(
        "punch-helper", help="give disk back as guacd's user; started by kasm-recd-punch.socket"
    )
    helper.add_argument("--recordings", type=Path, required=True, metavar="DIR")
    helper.add_argument("--peer", required=True, metavar="USER", help="who may give orders")
    helper.set_defaults(command=lambda a: puncher.run(a.recordings, a.peer))


def _bytes(text: str) -> int:
    size = units.size(text)
    if size < 1:
        raise argparse.ArgumentTypeError("at least one byte")
    return size


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text} is not WIDTHxHEIGHT, as in 1280x720")
    size = int(width), int(height)
    if min(size) <= 0 or size[0] % 2 or size[1] % 2:
        raise argparse.ArgumentTypeError(f"{text}: H.264 wants even numbers above 0")
    return size
