"""The parts of a recorder with valid settings: built, started in order, stopped in reverse."""

from kasm_recd.recorder.building import JOURNAL_NAME, build_encoders, worker_limits
from kasm_recd.recorder.recorder import Recorder

__all__ = ["JOURNAL_NAME", "Recorder", "build_encoders", "worker_limits"]
