from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kasm_recd import disk

if TYPE_CHECKING:
    from pathlib import Path


def test_room_is_what_the_file_system_says(tmp_path: Path) -> None:
    found, usage = disk.free(tmp_path), shutil.disk_usage(tmp_path)

    assert found.total == usage.total
    assert found.free >= found.available
    assert found.available == pytest.approx(usage.free, rel=0.05)
    assert 0 < found.inodes_free <= found.inodes_total


def test_the_used_fraction_counts_what_is_kept_for_root_as_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = list(os.statvfs(tmp_path))
    real[1:5] = [4096, 1000, 250, 200]  # fragment size, blocks, free, available
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(real))

    found = disk.free(tmp_path)

    assert found.used_fraction == 0.75
    assert (found.total, found.free, found.available) == (4_096_000, 1_024_000, 819_200)


def test_a_disk_is_full_without_room_or_without_inodes() -> None:
    roomy = disk.Disk(10**9, 10**8, 10**8, 0.9, inodes_total=100, inodes_free=1)

    assert not roomy.full
    assert replace(roomy, available=999_999).full
    assert replace(roomy, inodes_free=0).full
    assert not replace(roomy, inodes_total=0, inodes_free=0).full


def test_a_path_that_is_not_there_has_no_room_to_tell(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        disk.free(tmp_path / "gone")
