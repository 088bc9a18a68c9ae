"""How each codec is asked for clips of screens: constant quality under a ceiling, no reordering.

Screens are sharp text that stands still and changes by pieces. libx264's own presets spend most of
their time where such pictures have nothing to gain: half-pixel search, many references, a look
ahead. ``screen``, the default, is its fastest preset with what pays off on text put back: CABAC,
4x4 intra prediction, and quality by how much is to be seen in a block. On the bundled recordings it
takes about 0.6 of ``veryfast``'s CPU time for the same SSIM (bench/README.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kasm_recd.errors import WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_CODEC: Final = "libx264"
SCREEN: Final = "screen"
_SCREEN_X264: Final = "cabac=1:aq-mode=1:partitions=i4x4,p8x8:me=hex:subme=0"


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec's defaults, its scale of quality (lower is better), and its options for FFmpeg.

    ``tag`` is the four letters in the MP4 where FFmpeg's choice does not play everywhere.
    """

    preset: str
    quality: int
    worst: int
    options: Callable[[str, int, int], dict[str, str]]
    tag: str = ""


def _x264(preset: str, quality: int, bitrate: int) -> dict[str, str]:
    tuned = {"preset": preset, "rc-lookahead": "5"}
    if preset == SCREEN:
        tuned = {"preset": "ultrafast", "x264-params": _SCREEN_X264}
    return {**tuned, **_ceiling(bitrate), "crf": str(quality), "bf": "0", "forced-idr": "1"}


def _x265(preset: str, quality: int, bitrate: int) -> dict[str, str]:
    own = "bframes=0:pools=none:frame-threads=1:log-level=error:rc-lookahead=5"
    options = {"preset": preset, "crf": str(quality), "forced-idr": "1", "x265-params": own}
    return {**options, **_ceiling(bitrate)}


def _av1(preset: str, quality: int, bitrate: int) -> dict[str, str]:
    own = f"pred-struct=1:lp=1:mbr={max(1, bitrate // 1000)}"
    return {"preset": preset, "crf": str(quality), "svtav1-params": own}


def _nvenc(preset: str, quality: int, bitrate: int) -> dict[str, str]:
    options = {"preset": preset, "rc": "vbr", "cq": str(quality), "bf": "0", "forced-idr": "1"}
    return {**options, **_ceiling(bitrate)}


def _vaapi(preset: str, quality: int, bitrate: int) -> dict[str, str]:
    options = {"compression_level": preset, "qp": str(quality), "bf": "0"}
    return {**options, **_ceiling(bitrate)}


def _ceiling(bitrate: int) -> dict[str, str]:
    return {"maxrate": str(bitrate), "bufsize": str(2 * bitrate)}


#: Each by its name in FFmpeg, which is also the setting's.
CODECS: Final[Mapping[str, Codec]] = MappingProxyType(
    {
        DEFAULT_CODEC: Codec(SCREEN, 25, 51, _x264),
        "libx265": Codec("ultrafast", 26, 51, _x265, tag="hvc1"),
        "libsvtav1": Codec("10", 32, 63, _av1),
        "h264_nvenc": Codec("p4", 24, 51, _nvenc),
        "h264_vaapi": Codec("4", 24, 51, _vaapi),
    }
)


def options(name: str, *, preset: str = "", quality: int = 0, bitrate: int) -> dict[str, str]:
    """What FFmpeg is told for the codec ``name``; an empty preset and a 0 stand for defaults.

    Raises KeyError for a codec that is none of :data:`CODECS`, and WorkerFailed for a quality that
    is not on its scale.
    """
    codec = CODECS[name]
    if not 0 <= quality <= codec.worst:
        raise WorkerFailed(f"quality {quality} is not from 1 to {codec.worst}, as {name} counts it")
    return codec.options(preset or codec.preset, quality or codec.quality, bitrate)
