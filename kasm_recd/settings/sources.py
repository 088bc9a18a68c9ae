"""Where settings come from, and what is said when they are wrong.

What is said more than once is taken from the environment (``KASM_RECD_<NAME>``) before the systemd
credentials (the two secrets) before the file; an empty variable counts as not set. Nothing else is
consulted: no ``.env`` file, no ``AWS_*`` variable, no ``~/.aws``.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from kasm_recd.errors import Problem, SettingsInvalid
from kasm_recd.settings.conflicts import Conflicting
from kasm_recd.settings.values import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pydantic_core import ErrorDetails

PREFIX: Final = "KASM_RECD_"
#: Read by the command line; they are no settings, since the file they name may be invalid.
NOT_SETTINGS: Final = frozenset({"KASM_RECD_CONFIG", "KASM_RECD_SOCKET"})
SECRETS: Final = ("recording_object_storage_key", "recording_object_storage_secret")
HIDDEN: Final = "[hidden]"
#: Where LoadCredential= looks for a name without a path.
CREDSTORE: Final = Path("/etc/credstore")
SHOWN_LENGTH: Final = 120  # characters of a wrong value
LOOKS_LIKE: Final = 0.8  # how near a foreign variable must come to a setting to be its misspelling


@dataclass(frozen=True, slots=True)
class _Given:
    """One setting as somebody wrote it."""

    value: Any
    source: str


def load(
    path: Path | None, *, environ: Mapping[str, str], credentials_dir: Path | None
) -> Settings:
    """The settings from the file at ``path`` (None: no file), credentials and environment.

    Raises:
        SettingsInvalid: names every wrong setting with its value, reason and way out, the secrets'
            values excepted.
    """
    given = _from_file(path) | _from_credentials(credentials_dir) | _from_environment(environ)
    try:
        return _settings(given)
    except ValidationError as error:
        problems = _wrong(error, given)
        wrong = {problem.field for problem in problems}
        sound = {name: what for name, what in given.items() if name not in wrong}
        problems += _disagreeing(sound, besides=wrong)
    except Conflicting:
        problems = _disagreeing(given)
    raise _invalid(problems, given)  # outside the handlers: their errors know the secrets


def _from_file(path: Path | None) -> dict[str, _Given]:
    if path is None:
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        # Its first argument names line and column; the error itself may hold the whole file.
        raise _unreadable(path, f"it is not TOML: {error.args[0]}") from None
    return {name: _Given(value, str(path)) for name, value in table.items()}


def credentials_folder(environ: Mapping[str, str]) -> Path | None:
    """Where the secrets lie: as systemd says, else, for root at a prompt, where it reads them."""
    if named := environ.get("CREDENTIALS_DIRECTORY"):
        return Path(named)
    return CREDSTORE if os.geteuid() == 0 and CREDSTORE.is_dir() else None


def _from_credentials(folder: Path | None) -> dict[str, _Given]:
    """What systemd's LoadCredential= put into ``$CREDENTIALS_DIRECTORY``."""
    given: dict[str, _Given] = {}
    if folder is None:
        return given
    for name in SECRETS:
        file = folder / name
        try:
            given[name] = _Given(file.read_text(encoding="utf-8").strip(), f"credential {file}")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise _unreadable(file, reason) from None
    return given


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    """Variables of ours; a foreign one (Kubernetes makes some) counts only as a misspelling."""
    given = {}
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS or not value:
            continue
        if name in Settings.model_fields or _nearest(name, LOOKS_LIKE):
            given[name] = _Given(value, f"environment, {variable}")
    return given


def _unreadable(path: Path, reason: str) -> SettingsInvalid:
    way_out = "Correct it, or start from config/kasm-recd.toml, which has every default"
    problem = Problem("(file)", str(path), "settings file", reason, way_out)
    return SettingsInvalid(f"cannot read the settings in {path}: {reason}", problems=(problem,))


def _settings(given: Mapping[str, _Given]) -> Settings:
    return Settings(**{name: what.value for name, what in given.items()})


def _wrong(error: ValidationError, given: Mapping[str, _Given]) -> list[Problem]:
    """What pydantic found wrong with single settings."""
    details = error.errors(include_url=False, include_input=False)
    return [_problem(str(detail["loc"][0]), detail, given) for detail in details]


def _problem(name: str, detail: ErrorDetails, given: Mapping[str, _Given]) -> Problem:
    if detail["type"] == "extra_forbidden":
        near = _nearest(name)
        way_out = f"Did you mean {near}?" if near else "Take it out; there is no such setting"
        return Problem(name, HIDDEN, given[name].source, "unknown setting", way_out)
    context = detail.get("ctx", {})
    reason = str(context.get("error") or detail["msg"])
    field = Settings.model_fields[name]
    way_out = context.get("way_out") or f"Give {field.description}"
    return Problem(name, _shown(name, given), given[name].source, reason, way_out)


def _disagreeing(given: Mapping[str, _Given], *, besides: Collection[str] = ()) -> list[Problem]:
    """Sound settings that do not go together; those that hang on a wrong one are left out."""
    try:
        _settings(given)
    except Conflicting as error:
        return [
            Problem(
                found.field,
                _shown(found.field, given),
                given[found.field].source if found.field in given else "default",
                found.reason,
                found.way_out,
            )
            for found in error.conflicts
            if not {found.field, *found.others} & set(besides)
        ]
    return []


def _shown(name: str, given: Mapping[str, _Given]) -> str:
    """A value as it may be shown, as it was written."""
    if name not in given:
        default = Settings.model_fields[name].default
        return "(not set)" if name in SECRETS else str(default)
    if name in SECRETS:
        return HIDDEN
    text = str(given[name].value)
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…"


def _nearest(name: str, cutoff: float = 0.6) -> str | None:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=cutoff)
    return near[0] if near else None


def _invalid(problems: Sequence[Problem], given: Mapping[str, _Given]) -> SettingsInvalid:
    """One error that lists all; a secret that strayed into another setting is blotted out."""
    secrets = [str(given[name].value) for name in SECRETS if name in given]
    clean = tuple(_blotted(problem, secrets) for problem in problems)
    count = "1 setting is wrong" if len(clean) == 1 else f"{len(clean)} settings are wrong"
    return SettingsInvalid("\n  ".join([f"{count}:", *map(str, clean)]), problems=clean)


def _blotted(problem: Problem, secrets: Iterable[str]) -> Problem:
    value, reason = problem.value, problem.reason
    for secret in filter(None, secrets):
        value, reason = value.replace(secret, HIDDEN), reason.replace(secret, HIDDEN)
    return problem._replace(value=value, reason=reason)
