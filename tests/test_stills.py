"""Single pictures of a clip as JPEG."""

from __future__ import annotations

import io

import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from kasm_recd.workers.stills import jpeg, shrunk

RESTART_INTERVAL = b"\xff\xdd"  # the marker of a JPEG that was made in slices


def test_a_picture_is_coded_in_one_piece_however_many_cores_there_are() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (480, 720, 3), np.uint8)
    picture = jpeg(shrunk(VideoFrame.from_ndarray(noise, "rgb24"), 480, 320))
    assert Image.open(io.BytesIO(picture)).size == (480, 320)
    assert RESTART_INTERVAL not in picture
