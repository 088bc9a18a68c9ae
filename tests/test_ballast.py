"""When room is kept back, when it is given up, and how cuts go meanwhile."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kasm_recd import ballast, disk
from kasm_recd.ballast import Ballast, Move, Plan
from kasm_recd.errors import DiskFull, WorkerFailed

if TYPE_CHECKING:
    from pathlib import Path

MB = 1_000_000
PLAN = Plan(64 * MB, 500 * MB)


class Room:
    """A disk whose room the test sets; a ballast takes of it what it is large."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.other = 0  # what is free without the ballast

    def free(self, _folder: Path) -> disk.Disk:
        path = self.folder / ballast.NAME
        held = path.stat().st_size if path.exists() else 0
        return disk.Disk(10**9, 0, self.other - held, 0.0, 0, 0)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    made = Room(tmp_path)
    monkeypatch.setattr(disk, "free", made.free)
    return made


def test_a_step_is_an_eighth_of_the_ballast() -> None:
    assert PLAN.step == 8 * MB


@pytest.mark.parametrize(
    ("available", "held", "refused", "move"),
    [
        (600 * MB, True, False, Move.NONE),
        (600 * MB, True, True, Move.GIVE_UP),
        (8 * MB, True, False, Move.NONE),
        (8 * MB - 1, True, False, Move.GIVE_UP),
        (0, False, True, Move.NONE),
        (564 * MB - 1, False, False, Move.NONE),
        (564 * MB, False, False, Move.MAKE),
        (564 * MB, False, True, Move.NONE),
    ],
)
def test_it_is_given_up_for_want_of_room_and_made_above_the_floor(
    available: int, *, held: bool, refused: bool, move: Move
) -> None:
    assert PLAN.move(available, held=held, refused=refused) is move


def test_cuts_are_small_without_the_ballast_until_the_floor_is_free() -> None:
    assert PLAN.cut_step(0, held=False) == 8 * MB
    assert PLAN.cut_step(500 * MB - 1, held=False) == 8 * MB
    assert PLAN.cut_step(500 * MB, held=False) is None
    assert PLAN.cut_step(0, held=True) is None


def test_where_none_is_asked_for_nothing_is_made_and_cuts_are_as_usual() -> None:
    none = Plan(0, 500 * MB)
    assert none.move(10**12, held=False, refused=False) is Move.NONE
    assert none.cut_step(0, held=False) is None


@given(
    size=st.integers(8 * MB, 10**10),
    min_free=st.integers(0, 10**10),
    available=st.integers(0, 10**11),
)
def test_what_is_given_up_for_want_of_room_is_not_made_again_by_its_own_room(
    size: int, min_free: int, available: int
) -> None:
    plan = Plan(size, min_free)
    if plan.move(available, held=True, refused=False) is Move.GIVE_UP:
        assert plan.move(available + size, held=False, refused=False) is Move.NONE
    if plan.move(available, held=False, refused=False) is Move.MAKE:
        assert plan.move(available - size, held=True, refused=False) is Move.NONE


def step_after_a_look(kept: Ballast) -> int | None:
    kept.look()
    return kept.cut_step


def test_the_file_is_made_given_up_and_made_again(room: Room, tmp_path: Path) -> None:
    kept = Ballast(tmp_path, Plan(8 * MB, 20 * MB))
    path = tmp_path / ballast.NAME
    room.other = 28 * MB
    assert step_after_a_look(kept) is None
    assert disk.status_of(path).allocated >= 8 * MB, "its room is taken, not promised"
    assert path.stat().st_mode & 0o777 == 0o600
    room.other = 8 * MB + 100
    assert step_after_a_look(kept) == MB
    assert not path.exists()
    room.other = 20 * MB
    assert step_after_a_look(kept) is None, "the floor is back"
    assert not path.exists()
    room.other = 28 * MB
    kept.look()
    assert [each.name for each in tmp_path.iterdir()] == [ballast.NAME]
    kept.look(refused=True)
    assert not path.exists()


def test_one_that_lies_there_is_kept_and_one_of_another_size_is_replaced(
    room: Room, tmp_path: Path
) -> None:
    path = tmp_path / ballast.NAME
    room.other = 40 * MB
    Ballast(tmp_path, Plan(8 * MB, MB)).look()
    inode = path.stat().st_ino
    Ballast(tmp_path, Plan(8 * MB, MB)).look()
    assert path.stat().st_ino == inode
    Ballast(tmp_path, Plan(9 * MB, MB)).look()
    assert path.stat().st_size == 9 * MB
    Ballast(tmp_path, Plan(0, MB)).look()
    assert not path.exists()


def test_one_that_cannot_be_made_leaves_nothing_and_is_tried_again_later(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, tries = 100.0, 0

    def refuse(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    room.other = 40 * MB
    kept = Ballast(tmp_path, Plan(8 * MB, MB), clock=lambda: now)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        kept.look()
        kept.look()
    assert tries == 1
    assert list(tmp_path.iterdir()) == []
    now += ballast.MAKE_AGAIN_S
    kept.look()
    assert (tmp_path / ballast.NAME).exists()


def test_an_error_says_that_there_is_no_room() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert disk.says_full(full)
    assert disk.says_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert disk.says_full(DiskFull("no room"))
    assert disk.says_full(ExceptionGroup("parts", [ValueError(), ExceptionGroup("", [full])]))
    assert not disk.says_full(OSError(errno.EIO, "Input/output error"))
    assert not disk.says_full(ExceptionGroup("parts", [WorkerFailed("killed")]))
