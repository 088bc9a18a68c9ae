"""The manual: the command's page and its completions from argparse, the settings' from the file.

What a page says stands where the program has it too: in the parser's help and in the comments of
``config/kasm-recd.toml``, which other tests hold to the code.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Final

import shtab

from kasm_recd.cli import _parser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD: Final = '.TH {name} {section} "" "kasm-recd" "kasm-recd"'
SEE_ALSO: Final = (
    ".SH SEE ALSO",
    r"\fBkasm\-recd\fR(1), \fBkasm\-recd.toml\fR(5), \fBsystemctl\fR(1), \fBjournalctl\fR(1)",
    ".br",
    "/usr/share/doc/kasm\\-recd: README.md, ARCHITECTURE.md, EVENTS.md, METRICS.md",
)


def escaped(text: str) -> str:
    """``text`` as roff shows it letter by letter."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^(['.])", r"\\&\1", text, flags=re.MULTILINE)


def parser() -> argparse.ArgumentParser:
    """The program's, with fixed defaults and no line breaks in a usage."""
    return _parser()


def subcommands(of: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, help and parser of each command, those within a command as ``journal rebuild``."""
    for action in of._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, found in action.choices.items():
            below = list(subcommands(found))
            if below:
                yield from ((f"{name} {verb}", text, each) for verb, text, each in below)
            else:
                yield name, helps[name], found


def options(of: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """How each argument is written, and what it says."""
    for action in of._actions:
        if action.dest == "help" or action.help == argparse.SUPPRESS:
            continue
        value = action.metavar or (action.choices and "|".join(map(str, action.choices))) or ""
        names = ", ".join(action.option_strings)
        takes = str(value) if action.nargs != 0 else ""
        yield f"{names} {takes}".strip(), action.help or ""


def command_page() -> str:
    """kasm-recd(1)."""
    program = parser()
    lines = [
        HEAD.format(name="KASM\\-RECD", section=1),
        ".SH NAME",
        r"kasm\-recd \- session recorder for Guacamole gateways",
        ".SH SYNOPSIS",
        r"\fBkasm\-recd\fR \fICOMMAND\fR [\fIARGUMENT\fR ...]",
        ".SH DESCRIPTION",
        "Turns the session recordings that guacd writes into playable clips in object storage, and",
        "tells the session broker whether one more recorded session can be taken.",
        r"The service \fIkasm\-recd.service\fR runs \fBkasm\-recd run\fR;",
        "the other commands ask it, or work on files by themselves.",
        ".SH COMMANDS",
    ]
    for name, text, found in subcommands(program):
        lines += [f".SS {escaped(name)}", f"{escaped(text[:1].upper() + text[1:])}."]
        for written, meaning in options(found):
            lines += [".TP", rf"\fB{escaped(written)}\fR", escaped(meaning or "required")]
    lines += [".SH EXIT STATUS", escaped((program.epilog or "").removeprefix("Exit codes: "))]
    lines += [
        ".SH FILES",
        ".TP",
        r"\fI/etc/kasm\-recd/kasm\-recd.toml\fR",
        r"The settings, see \fBkasm\-recd.toml\fR(5).",
        ".TP",
        r"\fI/var/lib/kasm\-recd\fR",
        "Journal, segments, and clips on their way.",
        *SEE_ALSO,
    ]
    return "\n".join(lines) + "\n"


def settings_page(config: Path) -> str:
    """kasm-recd.toml(5), from the commented settings file."""
    lines = [
        HEAD.format(name="KASM\\-RECD.TOML", section=5),
        ".SH NAME",
        r"kasm\-recd.toml \- settings of the session recorder",
        ".SH DESCRIPTION",
    ]
    intro, *sections = re.split(r"^# -- (.*?) -+\n", config.read_text(), flags=re.MULTILINE)
    lines += _prose(intro.partition("\n#\n")[2])
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        lines.append(f".SH {escaped(title.upper())}")
        for block in filter(None, map(str.strip, body.split("\n\n"))):
            prose, settings = _split(block)
            for setting in settings:
                lines += [".TP", rf"\fB{escaped(setting)}\fR", *([".PD 0"] if setting else [])]
            lines += [".PD", *_prose(prose)] if settings else _prose(prose)
    return "\n".join([*lines, *SEE_ALSO]) + "\n"


def _split(block: str) -> tuple[str, list[str]]:
    rows = block.splitlines()
    prose = "\n".join(row for row in rows if row.startswith("#"))
    return prose, [row for row in rows if not row.startswith("#")]


def _prose(commented: str) -> list[str]:
    rows = [row.removeprefix("#").strip() for row in commented.splitlines()]
    return [escaped(row) if row else ".PP" for row in rows]


def completion(shell: str) -> str:
    """For bash and zsh, by shtab."""
    return str(shtab.complete(parser(), shell=shell)).rstrip() + "\n"


def fish() -> str:
    """For fish, which shtab does not know: commands, and the options of each."""
    first = "__fish_use_subcommand"
    lines = ["complete -c kasm-recd -f"]
    told = set()
    for name, text, found in subcommands(parser()):
        command, _, verb = name.partition(" ")
        here = f"__fish_seen_subcommand_from {command}"
        if command not in told:
            told.add(command)
            lines.append(f"complete -c kasm-recd -n {first} -a {command} -d {_quoted(text)}")
        if verb:
            lines.append(f"complete -c kasm-recd -n '{here}' -a {verb} -d {_quoted(text)}")
        lines += [
            f"complete -c kasm-recd -n '{here}'{_fish_option(action)}"
            for action in found._actions
            if action.option_strings and action.dest != "help"
        ]
    return "\n".join(lines) + "\n"


def _fish_option(action: argparse.Action) -> str:
    names = "".join(
        f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
        for name in action.option_strings
    )
    choices = f" -x -a {_quoted(' '.join(map(str, action.choices)))}" if action.choices else " -r"
    takes = choices if action.nargs != 0 else ""
    return names + takes + (f" -d {_quoted(action.help)}" if action.help else "")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
