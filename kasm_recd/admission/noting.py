"""What is counted and logged of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kasm_recd import metrics
from kasm_recd.log import get_logger

if TYPE_CHECKING:
    from kasm_recd.admission.clerk import Answer
    from kasm_recd.admission.peers import Peer
    from kasm_recd.admission.request import AdmissionRequest

log = get_logger(__name__)


def note(asked: AdmissionRequest, answer: Answer, peer: Peer) -> None:
    """Counts and logs; what was told before, or is not recorded, at debug: they may be many."""
    decision, place = answer.decision, answer.place
    who = peer.log_context()
    where = {"recording_path": place.recording_path, "recording_name": place.recording_name}
    if decision.reason is not None:
        count("deny", decision.reason)
        why = {"reason": decision.reason, "message": decision.message, **decision.figures}
        log.warning("admission.refused", kasm_id=asked.kasm_id, peer=who, **why)
    elif not asked.record_sessions:
        count("unrecorded")
        log.debug("admission.unrecorded", kasm_id=asked.kasm_id, peer=who)
    elif answer.repeated:
        count("repeat")
        log.debug("admission.repeated", kasm_id=asked.kasm_id, peer=who, **where)
    else:
        count("allow")
        log.info("admission.allowed", kasm_id=asked.kasm_id, peer=who, **where)


def count(decision: str, reason: str = "") -> None:
    """One more answer of this kind; ``reason`` where it was a no."""
    metrics.count("kasm_recd_admissions_total", decision=decision, reason=str(reason))
