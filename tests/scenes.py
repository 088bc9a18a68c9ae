"""Small scenes that use all of the protocol's drawing, each told to a display of 160 x 120.

guacd draws none of the curved ones; a scene's name says what it is about.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import numpy as np

from tests.painting import OVER, SRC, encoded

if TYPE_CHECKING:
    from tests.drawing import Said

WIDTH, HEIGHT = 160, 120
PAPER: Final[list[Said]] = [
    ("size", 0, WIDTH, HEIGHT),
    ("rect", 0, 0, 0, WIDTH, HEIGHT),
    ("cfill", SRC, 0, 240, 235, 220, 255),
]
BLUE, RED, GLASS = (30, 60, 200, 255), (220, 40, 30, 255), (20, 160, 60, 128)
BUTT, ROUND_CAP, SQUARE = range(3)
BEVEL, MITER, ROUND = range(3)
MASKS = (0x1, 0x2, 0x4, 0x6, 0x8, 0x9, 0xA, 0xB, 0xC, 0xE, 0xF)
TURN, HALF = "6.283185307179586", "3.141592653589793"
TILTED = ("0.866", "0.5", "-0.5", "0.866", "70", "10")


def _boxes(layer: int, *boxes: tuple[int, int, int, int]) -> list[Said]:
    return [("rect", layer, *box) for box in boxes]


def _zigzag(x: int, y: int) -> list[Said]:
    """Sharp and blunt corners, and one that turns back."""
    points = [(x, y), (x + 40, y + 10), (x + 5, y + 20), (x + 45, y + 45), (x + 45, y + 5)]
    return [("start", 0, *points[0]), *(("line", 0, *point) for point in points[1:])]


def _picture(layer: int, x: int, y: int, mask: int = OVER) -> list[Said]:
    rows, columns = np.mgrid[0:32, 0:48].astype(np.uint8)
    pixels = np.dstack([columns * 5, rows * 7, 255 - columns * 4, np.where(rows < 16, 255, 120)])
    data = encoded(pixels.astype(np.uint8))
    return [
        ("img", 3, mask, layer, "image/png", x, y),
        ("blob", 3, base64.b64encode(data)),
        ("end", 3),
    ]


def _tile() -> list[Said]:
    """Buffer -1, 64 x 64 as the player rounds it, with a cross in it."""
    return [
        *_boxes(-1, (0, 0, 64, 64)),
        ("cfill", SRC, -1, 250, 200, 40, 255),
        *_boxes(-1, (10, 0, 8, 64), (0, 30, 64, 6)),
        ("cfill", OVER, -1, *BLUE),
    ]


def _masked(mask: int) -> list[Said]:
    """Layer 1: something translucent, and a box drawn on it by ``mask``."""
    return [
        ("size", 1, 64, 64),
        *_boxes(1, (4, 4, 40, 40)),
        ("cfill", OVER, 1, *GLASS),
        *_boxes(1, (24, 24, 30, 30)),
        ("cfill", mask, 1, 200, 30, 120, 160),
    ]


#: Edges that lie on the grid: not one pixel may differ.
EXACT: Final[dict[str, list[Said]]] = {
    "boxes forwards and backwards": [
        *_boxes(0, (10, 10, 50, 40), (100, 60, -60, -30), (120, 10, 20, 30), (130, 20, -5, 60)),
        ("cfill", OVER, 0, *GLASS),
    ],
    "boxes of no size": [
        *_boxes(0, (10, 10, 0, 40), (30, 30, 20, 0), (60, 60, 5, 5)),
        ("cfill", OVER, 0, *RED),
    ],
    "a polygon of right angles": [
        ("start", 0, 20, 20),
        *(("line", 0, *at) for at in [(90, 20), (90, 80), (60, 80), (60, 50), (20, 50)]),
        ("close", 0),
        ("cfill", OVER, 0, *BLUE),
        ("line", 0, 5, 5),
        ("cfill", OVER, 0, *RED),
    ],
    "a clip, kept and popped": [
        ("push", 0),
        *_boxes(0, (20, 20, 60, 50), (100, 30, 30, 30)),
        ("clip", 0),
        *_picture(0, 10, 10),
        *_boxes(0, (50, 40, 90, 40)),
        ("cfill", OVER, 0, *GLASS),
        ("copy", 0, 0, 0, 60, 60, OVER, 0, 60, 20),
        ("pop", 0),
        *_boxes(0, (0, 100, 160, 10)),
        ("cfill", OVER, 0, *BLUE),
    ],
    "a clip within a clip, and an operator that clears": [
        ("size", 1, 128, 100),
        *_boxes(1, (0, 0, 128, 100)),
        ("cfill", OVER, 1, *BLUE),
        *_boxes(1, (10, 10, 80, 60)),
        ("clip", 1),
        *_boxes(1, (40, 20, 80, 80)),
        ("clip", 1),
        *_boxes(1, (50, 30, 20, 20)),
        ("cfill", SRC, 1, *RED),
    ],
    "a clip that leaves nothing": [
        *_boxes(0, (10, 10, 10, 10)),
        ("clip", 0),
        *_boxes(0, (50, 10, 10, 10)),
        ("clip", 0),
        *_boxes(0, (0, 0, 160, 120)),
        ("cfill", OVER, 0, *RED),
    ],
    "moved by whole pixels": [
        ("transform", 0, 1, 0, 0, 1, 30, 20),
        *_picture(0, 5, 5),
        *_boxes(0, (60, 0, 30, 30)),
        ("identity", 0),
        ("cfill", OVER, 0, *GLASS),
        *_boxes(0, (0, 0, 10, 10)),
        ("cfill", OVER, 0, *RED),
    ],
    "mirrored, turned by a quarter, and twice as large": [
        ("transform", 0, -1, 0, 0, 1, 150, 0),
        *_picture(0, 5, 5),
        ("transform", 0, 0, 1, -1, 0, 90, 50),
        *_boxes(0, (0, 10, 30, 40)),
        ("cfill", OVER, 0, *GLASS),
        ("identity", 0),
        ("transform", 0, 2, 0, 0, 2, 0, 0),
        *_boxes(0, (5, 40, 10, 10)),
        ("cfill", OVER, 0, *BLUE),
    ],
    "a reset": [
        *_boxes(0, (10, 10, 10, 10)),
        ("clip", 0),
        ("transform", 0, 2, 0, 0, 2, 0, 0),
        ("push", 0),
        ("reset", 0),
        *_boxes(0, (50, 50, 30, 20)),
        ("cfill", OVER, 0, *RED),
    ],
    "straight lines on the grid": [
        ("start", 0, 20, 20),
        ("line", 0, 120, 20),
        ("line", 0, 120, 90),
        ("cstroke", OVER, 0, BUTT, MITER, 10, *BLUE),
        *_boxes(0, (30, 40, 50, 40)),
        ("cstroke", OVER, 0, BUTT, MITER, 4, *GLASS),
        ("start", 0, 20, 110),
        ("line", 0, 60, 110),
        ("cstroke", OVER, 0, SQUARE, MITER, 6, *RED),
        ("start", 0, 90, 105),
        ("line", 0, 130, 105),
        ("cstroke", OVER, 0, 9, MITER, 0, *RED),
    ],
    "a fill with a layer": [
        *_tile(),
        *_boxes(0, (10, 10, 140, 100)),
        ("lfill", OVER, 0, -1),
    ],
    "a fill of a layer with itself": [
        ("size", 1, 128, 64),
        *_boxes(1, (0, 0, 40, 64)),
        ("cfill", OVER, 1, *BLUE),
        *_boxes(1, (10, 10, 30, 20)),
        ("cfill", OVER, 1, *GLASS),
        ("transform", 1, 1, 0, 0, 1, 20, 7),
        *_boxes(1, (0, 0, 100, 50)),
        ("lfill", OVER, 1, 1),
    ],
    "streams within the stream": [
        ("nest", 5, "4.rect,1.0,2.10,2.10,2.80,2.60;5.cfill,2.14,1.0,3.2"),
        ("mouse", 1, 1),
        ("nest", 5, "00,1.0,1.0,3.255;"),
    ],
    "sizes of nothing": [
        ("size", 1, 0, 0),
        *_boxes(1, (0, 0, 20, 20)),
        ("cfill", OVER, 1, *RED),
        ("size", 2, 40, 40),
        *_boxes(2, (0, 0, 40, 40)),
        ("cfill", OVER, 2, *BLUE),
        ("move", 2, 1, 0, 0, 0),
        ("size", -2, 0, 0),
        ("copy", -2, 0, 0, 10, 10, OVER, 0, 0, 0),
        ("move", 2, 0, 70, 30, 0),
    ],
    **{f"channel mask {mask}": _masked(mask) for mask in MASKS},
    **{
        f"transfer functions {first} and on": [
            *_picture(-3, 0, 0, SRC),
            *(
                ("transfer", -3, 0, 0, 48, 16, function, 0, 10 + 50 * column, 10 + 25 * row)
                for row, column, function in (
                    (n // 3, n % 3, first + n) for n in range(8) if first + n != 5
                )
            ),
        ]
        for first in (0, 8)
    },
}

#: Curves and slanted edges: smoothed, and so within a tolerance.
SMOOTH: Final[dict[str, list[Said]]] = {
    "triangles and a star that crosses itself": [
        ("start", 0, 10, 10),
        ("line", 0, 70, 25),
        ("line", 0, 30, 90),
        ("cfill", OVER, 0, *RED),
        ("start", 0, 110, 10),
        *(("line", 0, *at) for at in [(135, 85), (75, 40), (148, 38), (88, 90)]),
        ("close", 0),
        ("cfill", OVER, 0, *GLASS),
    ],
    "arcs and curves": [
        ("arc", 0, 40, 40, 30, 0, TURN, 0),
        ("cfill", OVER, 0, *BLUE),
        ("arc", 0, 110, 40, 30, 0, HALF, 1),
        ("cfill", OVER, 0, *RED),
        ("arc", 0, 110, 90, 20, 5, 1, 0),
        ("close", 0),
        ("cfill", OVER, 0, *GLASS),
        ("start", 0, 10, 110),
        ("curve", 0, 20, 60, 80, 150, 90, 70),
        ("cfill", OVER, 0, *GLASS),
    ],
    "an arc that goes on from a line": [
        ("start", 0, 10, 10),
        ("line", 0, 40, 10),
        ("arc", 0, 80, 50, 25, 4, 8, 0),
        ("line", 0, 10, 90),
        ("cstroke", OVER, 0, ROUND_CAP, ROUND, 5, *BLUE),
    ],
    **{
        f"lines with cap {cap} and join {join}": [
            *_zigzag(15, 15),
            ("cstroke", OVER, 0, cap, join, 9, *GLASS),
            *_zigzag(80, 55),
            ("close", 0),
            ("cstroke", OVER, 0, cap, join, 5, *RED),
        ]
        for cap, join in ((BUTT, BEVEL), (ROUND_CAP, ROUND), (SQUARE, MITER))
    },
    "a miter limit": [
        ("set", 0, "miter-limit", "1.5"),
        *_zigzag(30, 30),
        ("cstroke", OVER, 0, BUTT, MITER, 8, *BLUE),
    ],
    "lines along curves": [
        ("arc", 0, 45, 50, 30, 0, TURN, 0),
        ("close", 0),
        ("cstroke", OVER, 0, BUTT, MITER, 7, *BLUE),
        ("start", 0, 85, 100),
        ("curve", 0, 90, 10, 140, 10, 120, 90),
        ("cstroke", OVER, 0, ROUND_CAP, BEVEL, 3, *RED),
    ],
    "a tilted picture, box and line": [
        ("transform", 0, *TILTED),
        *_picture(0, 5, 5),
        *_boxes(0, (20, 45, 40, 25)),
        ("cfill", OVER, 0, *GLASS),
        ("start", 0, 5, 75),
        ("line", 0, 60, 75),
        ("cstroke", OVER, 0, SQUARE, MITER, 4, *RED),
    ],
    "a stretched line is as wide as it was made": [
        ("transform", 0, 3, 0, 0, 1, 0, 0),
        ("arc", 0, 25, 55, 18, 0, TURN, 0),
        ("cstroke", OVER, 0, BUTT, MITER, 4, *BLUE),
    ],
    "a round clip": [
        ("arc", 0, 70, 60, 45, 0, TURN, 0),
        ("clip", 0),
        *_picture(0, 30, 40),
        *_boxes(0, (60, 0, 100, 70)),
        ("cfill", OVER, 0, *RED),
    ],
    "a round clip and an operator that clears": [
        ("size", 1, 128, 100),
        *_boxes(1, (0, 0, 128, 100)),
        ("cfill", OVER, 1, *BLUE),
        ("arc", 1, 60, 50, 40, 0, TURN, 0),
        ("clip", 1),
        *_boxes(1, (50, 30, 30, 30)),
        ("cfill", SRC, 1, *RED),
    ],
    "a tilted fill with a layer": [
        *_tile(),
        ("transform", 0, *TILTED),
        *_boxes(0, (10, 5, 60, 60)),
        ("lfill", OVER, 0, -1),
    ],
    "copies of a layer at half its size": [
        *_tile(),
        ("transform", 0, "0.5", 0, 0, "0.5", 20, 20),
        ("copy", -1, 0, 0, 64, 64, OVER, 0, 20, 20),
    ],
}

#: Layers that are distorted, which the player leaves to the page.
DISTORTED: Final[dict[str, list[Said]]] = {
    "a tilted layer with another in it": [
        ("size", 1, 80, 60),
        *_boxes(1, (0, 0, 80, 60)),
        ("cfill", OVER, 1, *BLUE),
        ("size", 2, 30, 20),
        *_picture(2, 0, 0),
        ("move", 2, 1, 10, 10, 0),
        ("move", 1, 0, 40, 30, 0),
        ("distort", 1, *TILTED[:4], 4, -6),
    ],
    "a layer twice as high, translucent": [
        ("size", 1, 40, 30),
        *_picture(1, 0, 0),
        ("move", 1, 0, 60, 50, 0),
        ("shade", 1, 150),
        ("distort", 1, 1, 0, 0, 2, 0, 0),
    ],
}
