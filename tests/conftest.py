"""Fixtures live beside the part they serve, in ``tests/fixtures_<part>.py``."""

from __future__ import annotations

pytest_plugins: list[str] = [
    "tests.report",
    "tests.fixtures_daemon",
    "tests.fixtures_daemon",
    "tests.fixtures_ceph",
    "tests.fixtures_booted",
    "tests.fixtures_guacd",
    "tests.fixtures_trixie",
    "tests.fixtures_log",
    "tests.fixtures_live_guacd",
    "tests.fixtures_watcher",
    "tests.fixtures_process",
    "tests.fixtures_encoder",
    "tests.fixtures_recordings",
    "tests.fixtures_render",
    "tests.fixtures_storage",
    "tests.fixtures_journal",
    "tests.fixtures_player",
]
