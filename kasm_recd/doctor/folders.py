"""Folders and rights, as guacd and as the daemon; nothing is written."""

from __future__ import annotations

import grp
import stat
from typing import TYPE_CHECKING, Final

from kasm_recd import disk
from kasm_recd.doctor.finding import error, note, ok, warning

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from kasm_recd.doctor.accounts import Account
    from kasm_recd.doctor.finding import Finding

LOOKED_AT: Final = 50  # recordings whose rights are looked at


def recording_dir(folder: Path, guacd: Account, daemon: Account) -> Iterator[Finding]:
    """Whether guacd can record here, and the daemon take over what it records."""
    check = "folder.recording_dir"
    try:
        status = folder.stat()
    except OSError as trouble:
        yield error(
            check,
            f"{folder}: {trouble.strerror}",
            f"install -d -o {guacd.name} -g {guacd.name} -m 2770 {folder}",
        )
        return
    if not stat.S_ISDIR(status.st_mode):
        yield error(check, f"{folder} is no folder", "Correct recording_dir.")
        return
    lacking = yield from _rights_on(folder, guacd, daemon)
    hindered = yield from _mode_of(folder, status, check)
    if not (lacking or hindered):
        yield ok(check, f"{guacd.name} can record in {folder}, {daemon.name} can take it over")
    yield from _recordings(folder, daemon)


def _mode_of(folder: Path, status: os.stat_result, check: str) -> Generator[Finding, None, bool]:
    """Yields what is wrong with the folder's mode; returns whether that hinders recording."""
    sticky = bool(status.st_mode & stat.S_ISVTX)
    inherits = bool(status.st_mode & stat.S_ISGID)
    if sticky:
        yield error(
            f"{check}.sticky",
            f"{folder} has the sticky bit: only guacd itself can rename and remove recordings",
            f"chmod -t {folder}",
        )
    if not inherits:
        yield warning(
            f"{check}.setgid",
            f"recordings in {folder} get guacd's own group, not the folder's "
            f"({_group(status.st_gid)})",
            f"chmod g+s {folder}",
        )
    if status.st_mode & (stat.S_IROTH | stat.S_IXOTH):
        yield warning(
            f"{check}.others",
            f"everybody on this machine can look into {folder}",
            f"chmod o-rwx {folder}",
        )
    return sticky or not inherits


def _rights_on(folder: Path, guacd: Account, daemon: Account) -> Generator[Finding, None, bool]:
    """Yields what is missing; returns whether anything is."""
    group = _group(folder.stat().st_gid)
    wanted = (
        (guacd, "wx", f"chown {guacd.name} {folder} && chmod u+rwx {folder}"),
        (daemon, "rwx", f"chmod g+rwx {folder} && usermod -aG {group} {daemon.name}"),
    )
    missed = False
    for who, rights, mend in wanted:
        try:
            (found,) = who.rights(folder)
        except PermissionError as trouble:
            yield note(
                f"folder.recording_dir.{who.name}", str(trouble), "Run doctor as root to be sure."
            )
            continue
        if missing := set(rights) - set(found):
            missed = True
            yield error(
                "folder.recording_dir.rights",
                f"{who.name} may not {_named(missing)} {folder}"
                + (": its sessions go on unrecorded" if who is guacd else ""),
                mend,
            )
    return missed


def _recordings(folder: Path, daemon: Account) -> Iterator[Finding]:
    """What lies there already shows how guacd's files really come out."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.is_symlink()]
    if not (files := files[:LOOKED_AT]):
        return
    try:
        found = daemon.rights(*files)
    except PermissionError:
        return
    if unreadable := [
        path.name for path, rights in zip(files, found, strict=True) if "r" not in rights
    ]:
        yield error(
            "folder.recordings.unreadable",
            f"{daemon.name} cannot read {len(unreadable)} recordings, {unreadable[0]} among them",
            f"Put {daemon.name} into the group of guacd's files (SupplementaryGroups=).",
        )
    if any("w" not in rights for rights in found) and not disk.PUNCH_SOCKET.exists():
        yield note(
            "folder.recordings.pinned",
            "the daemon may not write to guacd's files: what is cut of a live recording is handed "
            "back to the disk only when the session ends",
            "systemctl enable --now kasm-recd-punch.socket",
        )


def spool_dir(folder: Path, daemon: Account) -> Iterator[Finding]:
    """Whether the daemon has a folder of its own, and nobody else looks into it."""
    check = "folder.spool_dir"
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        (found,) = daemon.rights(there)
    except PermissionError as trouble:
        yield note(check, str(trouble), "Run doctor as root to be sure.")
        return
    if not {"r", "w", "x"} <= set(found):
        yield error(
            check,
            f"{daemon.name} cannot write to {there}",
            f"install -d -o {daemon.name} -g {daemon.name} -m 0700 {folder}",
        )
    elif there == folder and folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield warning(
            f"{check}.open",
            f"others can look into {folder}, where recordings and clips lie",
            f"chmod 0700 {folder}",
        )
    else:
        yield ok(check, f"{daemon.name} has {folder} to itself")


def settings_file(path: Path | None, *, has_secret: bool) -> Iterator[Finding]:
    """A secret in a file that everybody can read is none."""
    if path is None or not path.exists() or not has_secret:
        return
    if path.stat().st_mode & stat.S_IROTH:
        yield error(
            "settings.secret_readable",
            f"{path} holds the store's secret, and everybody can read it",
            f"chmod o-r {path}; better: a systemd credential (see systemd/kasm-recd.service)",
        )


def clips(folder: Path, daemon: Account) -> Iterator[Finding]:
    """A file:// location: whether clips can be put there."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        (found,) = daemon.rights(there)
    except PermissionError as trouble:
        yield note("store.folder", str(trouble), "Run doctor as root to be sure.")
        return
    if not there.is_dir() or not {"w", "x"} <= set(found):
        yield error(
            "store.folder",
            f"{daemon.name} cannot store clips in {folder}: {there} is not writable",
            f"install -d -o {daemon.name} {folder}, and ReadWritePaths={folder} in a drop-in",
        )
    else:
        yield ok("store.folder", f"{daemon.name} can store clips in {folder}")


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _named(rights: set[str]) -> str:
    words = {"r": "list", "w": "write to", "x": "enter"}
    return " and ".join(words[each] for each in sorted(rights))
