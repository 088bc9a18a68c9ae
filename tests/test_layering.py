"""The module table in ARCHITECTURE.md is the rule; the imports in the code are held to it.

A module imports only from rows with a smaller number than its own. A library that has a home is
imported nowhere else. Imports for type checking and inside functions count like any other.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kasm_recd"
#: A store's backends import its contract; it opens them by scheme, inside the function that does.
BACKENDS = {("storage", "s3"), ("storage", "filestore")}
#: The composition: it reads the settings and hands plain values on.
READS_SETTINGS = {
    "recorder",
    "measuring",
    "doctor",
    "doctor_commands",
    "policy",
    "desk",
    "daemon",
    "cli",
    "commands",
    "file_commands",
    "demo",
}
STARTS_THE_DAEMON = {"cli", "commands", "breach_commands"}
WORKERS_MAY_USE = {"workers", "guacamole", "contents", "errors", "cage"}


class Line(NamedTuple):
    """A line of the table; workers have no row, they are imported by nobody."""

    row: int | None
    modules: list[str]
    homes: set[str]


def table() -> list[Line]:
    lines = re.findall(
        r"^\| (\d+|\W) \|([^|]+)\|[^|]+\|([^|]*)\|$",
        (ROOT / "ARCHITECTURE.md").read_text(),
        re.MULTILINE,
    )
    return [
        Line(
            int(row) if row.isdigit() else None,
            re.findall(r"`(\w+)/?`", modules),
            set(re.findall(r"`([\w.]+)`", homes)),
        )
        for row, modules, homes in lines
    ]


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports; child processes count as ``asyncio.subprocess``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(module="kasm_recd"):
                names |= {f"kasm_recd.{alias.name}" for alias in node.names}
            case ast.ImportFrom(module=str(module), level=0):
                names.add(module)
            case ast.ImportFrom():
                pytest.fail(f"{path} imports relatively")
            case ast.Attribute(attr="create_subprocess_exec" | "create_subprocess_shell"):
                names.add("asyncio.subprocess")
    return names


def modules() -> dict[str, set[str]]:
    """Top-level module or package of ours -> all that its files import."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name not in {"__init__", "__main__"}:
            found.setdefault(name, set()).update(imported(path))
    return found


def own(imports: set[str], name: str = "") -> set[str]:
    """Our own modules among ``imports``, but for ``name`` itself."""
    ours = {each.split(".")[1] for each in imports if each.startswith("kasm_recd.")}
    return (ours & MODULES.keys()) - {name}


MODULES = modules()
TABLE = table()
ROWS = {name: line.row for line in TABLE for name in line.modules}


def test_the_table_names_every_module_and_no_other() -> None:
    assert set(ROWS) == set(MODULES)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_from_rows_above_its_own(name: str) -> None:
    row = ROWS.get(name)
    if row is None:
        assert own(MODULES[name], name) <= WORKERS_MAY_USE
        return
    below = {
        other
        for other in own(MODULES[name], name)
        if (place := ROWS.get(other)) is None or place >= row
    }
    assert {other for other in below if (name, other) not in BACKENDS} == set()


def test_a_library_is_imported_only_at_home() -> None:
    homes: dict[str, set[str]] = {}
    for line in TABLE:
        for library in line.homes:
            homes.setdefault(library, set()).update(line.modules)
    strays = {
        f"{name} imports {library}"
        for library, at_home in homes.items()
        for name, imports in MODULES.items()
        if name not in at_home
        and any(each == library or each.startswith(f"{library}.") for each in imports)
    }
    assert len(homes) >= 14
    assert strays == set()


def test_only_the_composition_reads_the_settings_and_starts_the_daemon() -> None:
    readers = {name for name, imports in MODULES.items() if "settings" in own(imports, name)}
    starters = {name for name, imports in MODULES.items() if "daemon" in own(imports, name)}

    assert readers <= READS_SETTINGS
    assert starters <= STARTS_THE_DAEMON


def test_workers_reach_only_what_is_safe_to_give_them() -> None:
    reached, following = set[str](), {"workers"}
    while following:
        reached |= following
        following = set().union(*(own(MODULES[name]) for name in following)) - reached
    assert reached <= WORKERS_MAY_USE


@pytest.mark.parametrize("module", ["kasm_recd.daemon", "kasm_recd.guacamole.instructions"])
def test_what_moves_bytes_loads_nothing_that_decodes_them(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"there is no {module} yet")
    loaded = subprocess.run(
        [sys.executable, "-c", f"import {module}, sys; print(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    assert {"numpy", "PIL", "av"} & set(loaded) == set()
    assert {name for name in loaded if name.startswith("kasm_recd.workers.")} == set()
