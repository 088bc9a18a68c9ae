"""Answers on a Unix socket whether one more recorded session may start.

    request, peers, rate   what is asked, by whom, how often
    verdict                what speaks against any session: errors, old facts
    gate, ledger           is there room, with what was promised counted in
    judge                  these together, to one answer
    clerk                  makes an allow durable before it is said
    report                 what became of a session's recording
    forecast               when the disk will be full
    listener, server       the socket, and how it is served
    routes, settling, exposition, answers
                           what is spoken on it
    noting                 what is counted and logged of that

What is asked and what decides knows no clock and no disk: ``request``, ``rate``, ``verdict`` to
``judge``, ``forecast``.
"""

from kasm_recd.admission.clerk import Answer, Clerk, Office, Place
from kasm_recd.admission.forecast import Forecast, Look
from kasm_recd.admission.judge import Judge
from kasm_recd.admission.ledger import Booking
from kasm_recd.admission.listener import Listener, handed_over, listen
from kasm_recd.admission.peers import Allowed, Peer
from kasm_recd.admission.request import AdmissionRequest, BadRequest
from kasm_recd.admission.server import AdmissionServer
from kasm_recd.admission.verdict import Decision, Facts, Reason, Room

__all__ = [
    "AdmissionRequest",
    "AdmissionServer",
    "Allowed",
    "Answer",
    "BadRequest",
    "Booking",
    "Clerk",
    "Decision",
    "Facts",
    "Forecast",
    "Judge",
    "Listener",
    "Look",
    "Office",
    "Peer",
    "Place",
    "Reason",
    "Room",
    "handed_over",
    "listen",
]
