"""How each codec is asked for clips of screens: constant quality under a ceiling, shown in order.

Screens are sharp text that stands still and changes by pieces. libx264's own presets spend most of
their time where such pictures have nothing to gain: half-pixel search, many references, a look
ahead. ``screen``, the default, is its fastest preset with what pays off on text put back: CABAC,
4x4 intra prediction, and quality by how much is to be seen in a block. Where text scrolls, and
frames follow each other closely, it looks far around for where it was. Figures: bench/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kasm_recd.errors import WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_CODEC: Final = "libx264"
SCREEN: Final = "screen"
_SCREEN_X264: Final = "cabac=1:aq-mode=1:partitions=i4x4,p8x8:subme=0"
#: How motion is searched for, and where text scrolls in more than FEW_FRAMES a second: with fewer,
#: most of it has moved too far. What a far search saves is in part spent on blocks that are plain.
_NEAR_SEARCH: Final = "me=hex"
_FAR_SEARCH: Final = "me=umh:merange=64:aq-strength=0.7"
FEW_FRAMES: Final = 8


def never() -> bool:
    """Text does not scroll."""
    return False


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a codec; ``bitrate`` is in bit/s, ``framerate`` in frames a second.

    ``scrolls`` is asked, where that matters, whether what moves is mostly text.
    """

    preset: str
    quality: int
    bitrate: int
    framerate: int
    scrolls: Callable[[], bool] = never


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec's defaults, its scale of quality (lower is better), and its options for FFmpeg.

    ``tag`` is the four letters in the MP4 where FFmpeg's choice does not play everywhere.
    """

    preset: str
    quality: int
    worst: int
    options: Callable[[Asked], dict[str, str]]
    tag: str = ""


def _x264(asked: Asked) -> dict[str, str]:
    tuned = {"preset": asked.preset, "rc-lookahead": "5"}
    if asked.preset == SCREEN:
        far = asked.framerate > FEW_FRAMES and asked.scrolls()
        search = _FAR_SEARCH if far else _NEAR_SEARCH
        tuned = {"preset": "ultrafast", "x264-params": f"{_SCREEN_X264}:{search}"}
    fixed = {"crf": str(asked.quality), "bf": "0", "forced-idr": "1"}
    return {**tuned, **_ceiling(asked), **fixed}


def _x265(asked: Asked) -> dict[str, str]:
    own = "bframes=0:pools=none:frame-threads=1:log-level=error:rc-lookahead=5"
    options = {"preset": asked.preset, "crf": str(asked.quality), "forced-idr": "1"}
    return {**options, "x265-params": own, **_ceiling(asked)}


def _av1(asked: Asked) -> dict[str, str]:
    # Without leave to look ahead (pred-struct=1) it keeps no ceiling, and only warns of that.
    own = f"pred-struct=2:lp=1:mbr={max(1, asked.bitrate // 1000)}"
    return {"preset": asked.preset, "crf": str(asked.quality), "svtav1-params": own}


def _nvenc(asked: Asked) -> dict[str, str]:
    fixed = {"rc": "vbr", "bf": "0", "forced-idr": "1"}
    return {"preset": asked.preset, "cq": str(asked.quality), **fixed, **_ceiling(asked)}


def _vaapi(asked: Asked) -> dict[str, str]:
    options = {"compression_level": asked.preset, "qp": str(asked.quality), "bf": "0"}
    return {**options, **_ceiling(asked)}


def _ceiling(asked: Asked) -> dict[str, str]:
    return {"maxrate": str(asked.bitrate), "bufsize": str(2 * asked.bitrate)}


#: Each by its name in FFmpeg, which is also the setting's.
CODECS: Final[Mapping[str, Codec]] = MappingProxyType(
    {
        DEFAULT_CODEC: Codec(SCREEN, 25, 51, _x264),
        "libx265": Codec("ultrafast", 26, 51, _x265, tag="hvc1"),
        "libsvtav1": Codec("8", 32, 63, _av1),
        "h264_nvenc": Codec("p4", 24, 51, _nvenc),
        "h264_vaapi": Codec("4", 24, 51, _vaapi),
    }
)


def options(name: str, asked: Asked) -> dict[str, str]:
    """What FFmpeg is told for the codec ``name``; an empty preset and a 0 stand for defaults.

    Raises KeyError for a codec that is none of :data:`CODECS`, and WorkerFailed for a quality that
    is not on its scale.
    """
    codec, quality = CODECS[name], asked.quality
    if not 0 <= quality <= codec.worst:
        raise WorkerFailed(f"quality {quality} is not from 1 to {codec.worst}, as {name} counts it")
    preset = asked.preset or codec.preset
    return codec.options(replace(asked, preset=preset, quality=quality or codec.quality))
