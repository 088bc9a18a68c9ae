"""Windows into a scaled picture: parts of it that come out alone as they do with all the rest.

A scaler puts output sample ``i`` at ``(i + 1/2) * source / shown - 1/2`` of the source, and counts
``i`` from the edge of what it is given. So a part comes out the same only where it begins and ends
at whole pixels of both pictures. These lie a period apart on each axis: 1280 columns shown as 720
have 40 windows of 32 columns, 720 rows shown as 404 have 2. Where both sizes have nothing in
common there is one window, all of it.
"""

from __future__ import annotations

from math import ceil, gcd
from typing import TYPE_CHECKING, Final, NamedTuple

from kasm_recd.guacamole.geometry import Rect

if TYPE_CHECKING:
    from collections.abc import Iterable

#: So many pixels of the coarser picture a bicubic filter reaches on halved chroma, and some more.
_REACH: Final = 6
#: Making a filter for another size costs about as much as scaling so many pixels.
_SETTING_UP: Final = 90_000
#: Parts may cost such a share of the whole, which is scaled with a filter that is kept.
_WORTHWHILE: Final = 0.8

_Span = tuple[int, int]  # begin and end


class Window(NamedTuple):
    """``source`` is scaled to the size of ``shown``, of which ``sound`` looks as it should.

    ``shown`` and ``sound`` count in pixels of the scaled picture.
    """

    source: Rect
    shown: Rect
    sound: Rect


class _Axis:
    """One side of the picture, ``source`` pixels long and ``shown`` pixels scaled."""

    def __init__(self, source: int, shown: int) -> None:
        # Chroma is halved in both pictures, so a window begins at even pixels.
        count = gcd(source // 2, shown // 2) if source % 2 == shown % 2 == 0 else 1
        self._source, self._shown = source // max(1, count), shown // max(1, count)
        self._scale = shown / max(1, source)
        self._reach = ceil(_REACH * max(1.0, self._scale))
        self._end = shown

    def window(self, begin: int, end: int) -> tuple[_Span, _Span, _Span]:
        """Where a change from ``begin`` to ``end`` is seen, and what it takes to show that."""
        seen = self._even(begin * self._scale, -1), self._even(end * self._scale, 1)
        first = max(0, seen[0] - self._reach) // self._shown
        after = -(-min(self._end, seen[1] + self._reach) // self._shown)
        return (
            (first * self._source, after * self._source),
            (first * self._shown, after * self._shown),
            seen,
        )

    def _even(self, at: float, way: int) -> int:
        """``at`` moved by the filter's reach and on to an even pixel."""
        moved = at + way * self._reach
        even = 2 * (ceil(moved / 2) if way > 0 else int(moved // 2))
        return min(max(0, even), self._end)


class Windows:
    """The windows of a picture of ``source``'s size that is scaled to ``shown``'s."""

    def __init__(self, source: Rect, shown: Rect) -> None:
        self._columns = _Axis(source.width, shown.width)
        self._rows = _Axis(source.height, shown.height)
        self._area = source.area

    def around(self, changed: Iterable[Rect]) -> list[Window] | None:
        """What shows ``changed`` again; None where scaling all of the picture costs less."""
        windows, left = [], _WORTHWHILE * self._area
        for rect in changed:
            window = self._window(rect)
            left -= window.source.area + _SETTING_UP
            if left < 0:
                return None
            windows.append(window)
        return windows

    def _window(self, changed: Rect) -> Window:
        across = self._columns.window(changed.left, changed.right)
        down = self._rows.window(changed.top, changed.bottom)
        return Window(*(Rect(x[0], y[0], x[1], y[1]) for x, y in zip(across, down, strict=True)))
