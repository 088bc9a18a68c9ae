"""How large a body may be, and how much of one is looked at; light, as the cut begins with it."""

from __future__ import annotations

from typing import Final, NamedTuple

#: What is smaller is read at once, in no more time than a worker takes to start; of what is larger,
#: so much at each end is looked at.
GLANCE: Final = 8 * 1024 * 1024


class Limits(NamedTuple):
    """How large a body may be, in bytes: where it ends well, and at the very most."""

    wanted: int
    hard: int
