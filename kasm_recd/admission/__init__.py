"""Answers on a Unix socket whether one more recorded session may start.

``verdict`` decides, ``request`` reads the question, ``listener`` owns the socket and ``server``
speaks.
"""

from kasm_recd.admission.listener import Listener, handed_over, listen
from kasm_recd.admission.request import AdmissionRequest, BadRequest
from kasm_recd.admission.server import AdmissionServer
from kasm_recd.admission.verdict import Decision, Facts, Reason, Room, decide

__all__ = [
    "AdmissionRequest",
    "AdmissionServer",
    "BadRequest",
    "Decision",
    "Facts",
    "Listener",
    "Reason",
    "Room",
    "decide",
    "handed_over",
    "listen",
]
