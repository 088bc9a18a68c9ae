"""The commands that look at a set-up: ``doctor``, ``policy``; what they need loads only then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from kasm_recd.options import Commands, Options

OK = 0


def add(commands_of: Commands, options: Options) -> None:
    """Both commands."""
    look = commands_of.add_parser(
        "doctor",
        help="what is wrong with this set-up, and how to mend it",
        description="Looks at folders and rights, file systems, encoders, settings, the clock and "
        "the bucket. Changes nothing but with --fix.",
        epilog="Exit codes: 0 all is well, 1 warnings, 2 errors.",
        parents=[options.settings, options.socket, options.script],
    )
    look.add_argument(
        "--guacd-user",
        default="",
        metavar="NAME",
        help="guacd's (default: the setting, else guacd)",
    )
    look.add_argument("--daemon-user", default="kasm-recd", metavar="NAME", help="the daemon's")
    look.add_argument(
        "--keep-days", type=int, default=30, metavar="N", help="no lifecycle may delete sooner"
    )
    look.add_argument("--cors", default="", metavar="ORIGIN", help="only: may a player read clips?")
    look.add_argument("--fix", action="store_true", help="with --cors: set the bucket's rule")
    look.set_defaults(command=_doctor)

    policy = commands_of.add_parser(
        "policy",
        help="the least rights in the bucket, and its CORS rule",
        parents=[options.settings],
    )
    policy.add_argument("--origin", default="https://kasm.example.com", metavar="ORIGIN")
    policy.add_argument("--only", choices=["iam", "cors"], default="")
    policy.set_defaults(command=_policy)


def _doctor(arguments: argparse.Namespace) -> int:
    from kasm_recd import doctor  # noqa: PLC0415 - boto3 and the encoders load only where needed

    found = doctor.diagnose(
        arguments.config,
        arguments.socket,
        environ=os.environ,
        guacd_user=arguments.guacd_user,
        daemon_user=arguments.daemon_user,
        keep_days=arguments.keep_days,
        origin=arguments.cors,
        fix=arguments.fix,
    )
    return doctor.show(found, as_json=arguments.json)


def _policy(arguments: argparse.Namespace) -> int:
    from kasm_recd import policy  # noqa: PLC0415 - as above
    from kasm_recd.settings import credentials_folder, load  # noqa: PLC0415 - as above

    settings = load(
        arguments.config, environ=os.environ, credentials_dir=credentials_folder(os.environ)
    )
    print(policy.document(settings, origin=arguments.origin, only=arguments.only))
    return OK
