"""``kasm-recd doctor``: looks at everything that has to be right, and says how to mend what is not.

Nothing is changed but by ``--fix``. Two things are written and gone again: a file without a name in
each folder, and a throw-away object in the bucket.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from kasm_recd.doctor import bucket, clock, cors, encoders, filesystems, folders, service
from kasm_recd.doctor.accounts import Account, account
from kasm_recd.doctor.finding import Finding, Severity, error, exit_code, warning
from kasm_recd.errors import SettingsInvalid
from kasm_recd.settings import credentials_folder, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kasm_recd.settings import Settings

__all__ = ["diagnose", "exit_code", "show"]

_MARKS: Final = {
    Severity.OK: ("ok", "green"),
    Severity.NOTE: ("note", "blue"),
    Severity.WARNING: ("warning", "yellow"),
    Severity.ERROR: ("error", "bold red"),
}


def diagnose(
    config: Path | None,
    socket: Path,
    *,
    environ: Mapping[str, str],
    guacd_user: str = "",
    daemon_user: str = "kasm-recd",
    keep_days: int = bucket.KEEP_DAYS,
    origin: str = "",
    fix: bool = False,
) -> Iterator[Finding]:
    """Every finding, as it is found; with invalid settings, what is wrong with them."""
    try:
        settings = load(config, environ=environ, credentials_dir=credentials_folder(environ))
    except SettingsInvalid as invalid:
        yield from _problems(invalid)
        return
    if origin:
        yield from cors.cors(settings, origin, fix=fix)
        return
    yield from _settings(settings, config)
    yield from _this_machine(settings, guacd_user or settings.guacd_user or "guacd", daemon_user)
    if settings.location.target.scheme == "s3":
        yield from bucket.bucket(settings, keep_days=keep_days)
    yield from service.service(socket)


def _problems(invalid: SettingsInvalid) -> Iterator[Finding]:
    for problem in invalid.problems:
        said = f"{problem.field} = {problem.value} ({problem.source}): {problem.reason}"
        yield error("settings.invalid", said, problem.way_out)
    if not invalid.problems:
        yield error("settings.invalid", str(invalid), invalid.hint)


def _settings(settings: Settings, config: Path | None) -> Iterator[Finding]:
    found = [
        warning("settings.warning", said, "Correct it if it is not meant so.")
        for said in settings.warnings
    ]
    found += folders.settings_file(config, has_secret=_has_secret(settings, config))
    yield from found or [Finding(Severity.OK, "settings.valid", "the settings are valid")]


def _has_secret(settings: Settings, config: Path | None) -> bool:
    secret = settings.recording_object_storage_secret.get_secret_value()
    try:
        return bool(secret) and config is not None and secret in config.read_text()
    except OSError:
        return False


def _this_machine(settings: Settings, guacd_user: str, daemon_user: str) -> Iterator[Finding]:
    guacd, daemon = account(guacd_user), account(daemon_user, guacd_user)
    for name, found, option in (
        (guacd_user, guacd, "--guacd-user"),
        (daemon_user, daemon, "--daemon-user"),
    ):
        if found is None:
            yield error(
                "folder.users",
                f"this machine has no user {name}: nobody's rights can be looked at",
                f"systemd-sysusers makes kasm-recd's; name another with {option}.",
            )
    if guacd and daemon:
        yield from _folders(settings, guacd, daemon)
    for name in ("recording_dir", "spool_dir"):
        folder: Path = getattr(settings, name)
        if folder.is_dir():
            yield from filesystems.features(folder, name)
    yield from filesystems.room(settings)
    yield from encoders.encoders(settings)
    yield from clock.synchronised()


def _folders(settings: Settings, guacd: Account, daemon: Account) -> Iterator[Finding]:
    yield from folders.recording_dir(settings.recording_dir, guacd, daemon)
    yield from folders.spool_dir(settings.spool_dir, daemon)
    if settings.location.target.scheme == "file":
        yield from folders.clips(Path(settings.location.target.folder), daemon)


def show(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Prints the findings as they come, people's way or as one JSON object; the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    kept = []
    for found in findings:
        kept.append(found)
        if not as_json:
            mark, style = _MARKS[found.severity]
            console.print(
                Text(f"{mark:>8}  ", style), Text(f"{found.check}: {found.message}"), sep=""
            )
            if found.mend and found.severity >= Severity.NOTE:
                console.print(Text(f"{'':>8}  -> {found.mend}", "dim"))
    code = exit_code(kept)
    if as_json:
        worst = max((found.severity for found in kept), default=Severity.OK).name.lower()
        told = {"worst": worst, "findings": [found.as_json() for found in kept]}
        console.print(json.dumps(told, indent=1), markup=False)
    return code
