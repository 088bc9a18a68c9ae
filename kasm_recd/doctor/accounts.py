"""Looking with somebody else's eyes: what guacd's user and the daemon's may do with a folder."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

#: Asks the kernel, as the user it runs as: modes, ACLs and mounts are all its business.
_PROGRAM: Final = """
for path do
    found=
    test -r "$path" && found=r
    test -w "$path" && found=${found}w
    test -x "$path" && found=${found}x
    echo "$found"
done
"""
DEADLINE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Account:
    """A user as its service runs: with ``groups`` beside its own."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    def rights(self, *paths: Path) -> list[str]:
        """Of ``rwx`` what it may do with each path; raises PermissionError where nobody can tell.

        Only root can look as another user.
        """
        others: dict[str, Any] = {} if self.uid == os.geteuid() else self._identity()
        done = subprocess.run(
            ["/bin/sh", "-c", _PROGRAM, "sh", *map(str, paths)],
            capture_output=True,
            check=True,
            timeout=DEADLINE_S,
            cwd="/",
            env={},
            text=True,
            **others,
        )
        found: list[str] = done.stdout.splitlines()
        return found

    def _identity(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            raise PermissionError(f"only root can look as {self.name}")
        return {"user": self.uid, "group": self.gid, "extra_groups": self.groups}


def account(name: str, *more_groups: str) -> Account | None:
    """The user ``name`` (or number), in ``more_groups`` as its unit has it; None if it is not."""
    try:
        found = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        return None
    groups = set(os.getgrouplist(found.pw_name, found.pw_gid))
    for group in more_groups:
        try:
            groups.add(grp.getgrnam(group).gr_gid)
        except KeyError:
            continue
    return Account(name, found.pw_uid, found.pw_gid, tuple(sorted(groups)))
