"""The encoding stage: a sealed segment becomes a checked clip, or goes up raw.

``stage`` decides what a segment is due and makes one attempt at it, ``clip_making`` has the clip
made and lays it into the segment's folder, ``going_raw`` sends the segment on without one, and
``failures`` says when it is tried again. How clips are made is the ``policy``.
"""

from kasm_recd.encoding.policy import WAITING, EncodePolicy
from kasm_recd.encoding.stage import EncodeStage

__all__ = ["WAITING", "EncodePolicy", "EncodeStage"]
