"""A journal beyond reading is made again from the spool, and every segment is stored once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.fixtures_daemon import play, swift_settings, wait_until
from tests.values import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures_daemon import DaemonProcess
    from tests.fixtures_guacd import GuacdWriter
    from tests.swift_server import SwiftServer


def test_a_broken_journal_costs_no_segment(
    make_daemon: Callable[..., DaemonProcess],
    guacd_writer: Callable[..., GuacdWriter],
    recordings: Callable[[str], Path],
    swift: SwiftServer,
    swift_bucket: str,
) -> None:
    daemon = make_daemon(**swift_settings(swift, swift_bucket)).start()
    swift.stop()
    sources = {"k-1": recordings("vnc-idle.guac"), "k-2": recordings("reconnect.guac")}
    for kasm_id, source in sources.items():
        play(daemon, guacd_writer, source, kasm_id)
    wait_until(lambda: len(daemon.events("segment.encoded")) == 2, "both are encoded")
    wait_until(lambda: not list(daemon.recordings.iterdir()), "the recordings are handed back")
    daemon.kill()
    journal = daemon.spool / "journal.sqlite3"
    journal.write_bytes(b"beyond reading" * 1000)
    for companion in daemon.spool.glob("journal.sqlite3-*"):
        companion.unlink()

    told = subprocess.run(
        [sys.executable, "-m", "kasm_recd", "journal", "rebuild", "--config", "", "--json"],
        env=daemon.environment(),
        cwd=daemon.folder,
        check=True,
        capture_output=True,
    )
    rebuilt = json.loads(told.stdout)
    assert (rebuilt["sessions"], rebuilt["segments"]) == (2, 2)
    swift.start()
    daemon.start()
    wait_until(lambda: len(daemon.events("clip.stored")) == 2, "both are stored")
    stored = swift.contents(swift_bucket)
    for kasm_id, source in sources.items():
        manifest = json.loads(stored[f"clips/demo/{kasm_id}.0000.json"])
        assert manifest["segment"]["length"] == source.stat().st_size
    beside = {*(SUFFIXES[role] for role in SUFFIXES if role != "raw"), ".json"}
    assert stored.keys() == {f"clips/demo/{id_}.0000{end}" for id_ in sources for end in beside}
