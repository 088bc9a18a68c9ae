"""Whether text scrolls in a recording, judged by samples before anything of it is drawn.

A terminal that scrolls moves its pixels by ``copy``, a screen for a few hundred bytes; where
pictures move, guacd sends images. So what counts is how many visible pixels are moved by a byte of
the recording: 7 to 13 in terminals at work, at most 1 on the bundled desktops and in videos.
A wrong guess costs a little time or a few bytes, never a picture.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Final

from kasm_recd.workers.files import PIECE, opened, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: So many pieces are looked at, evenly spread over a file that has more.
_SAMPLES: Final = 16
_PIXELS_A_BYTE: Final = 2
_NUMBER: Final = rb"[0-9]\.([0-9]{1,5})"
#: From (left, top) of any layer or buffer, width x height pixels to (x, y) of a layer.
_COPY: Final = re.compile(
    rb"4\.copy,[0-9]\.-?[0-9]+,%s,%s,%s,%s,[0-9]\.[0-9]+,[0-9]\.[0-9]+,%s,%s;" % ((_NUMBER,) * 6)
)


def scrolls(files: Sequence[Path]) -> bool:
    """Whether it does in ``files``; raises OSError."""
    moved = length = 0
    for sample in chain.from_iterable(map(_samples, files)):
        length += len(sample)
        for found in _COPY.finditer(sample):
            left, top, width, height, x, y = map(int, found.groups())
            if (left, top) != (x, y):
                moved += width * height
    return moved > _PIXELS_A_BYTE * length


def _samples(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    step = max(PIECE, size // _SAMPLES)
    with opened(path) as descriptor:
        for start in range(0, size, step):
            yield from pieces(descriptor, start, min(size, start + PIECE))
