"""The keys that a segment's files go up under: journaled before the first byte leaves.

A key is resolved once and used for every retry, unless the store turns out to have another content
under it: then the next free one is claimed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kasm_recd.errors import KeyTaken, OperatorError
from kasm_recd.log import get_logger
from kasm_recd.object_keys import following, sibling, variables_of
from kasm_recd.states import Form, SegmentState

if TYPE_CHECKING:
    from collections.abc import Callable

    from kasm_recd.journal import Journal
    from kasm_recd.location import Location
    from kasm_recd.segment import Segment

log = get_logger(__name__)

SUFFIXES: Final = {
    "thumbnail": ".jpg",
    "sprites": ".seek/sprites.jpg",
    "sprite_index": ".seek/sprites.vtt",
    "activity": ".seek/activity.json",
    "raw": ".guac",
    "manifest": ".json",
}
#: Keys tried for one segment before the operator is asked to look: a bucket full of other clips.
KEY_TRIES: Final = 1000


class Claims:
    """Gives segments their destination and key; a key belongs to one segment alone."""

    def __init__(self, *, journal: Journal, location: Location, now: Callable[[], float]) -> None:
        self._journal = journal
        self._location = location
        self._now = now

    async def claim(self, segment: Segment) -> Segment:
        """The segment with a key after the upload location.

        Raises:
            OperatorError: other segments have all the keys that were tried.
        """
        session = self._journal.owner(segment)
        variables = variables_of(session, now=self._now())
        key = self._location.key(variables, sequence=segment.sequence)
        if segment.state is SegmentState.RAW and not segment.owed:
            key = sibling(key, SUFFIXES["raw"])
        return await self._claim_free(segment, self._location.destination, key)

    async def claim_next(self, segment: Segment, error: KeyTaken) -> Segment:
        """The segment with the key after its own; what was proved is to be put anew beside it.

        Raises OperatorError as :meth:`claim`.
        """
        log.warning("clip.key_taken", error=str(error), key=segment.key, **segment.log_context())
        cleared = await self._journal.update_segment(segment.id, proofs={})
        return await self._claim_free(cleared, cleared.destination, following(cleared.key))

    async def _claim_free(self, segment: Segment, destination: str, key: str) -> Segment:
        wanted = key
        for _ in range(KEY_TRIES):
            try:
                return await self._journal.claim_key(segment.id, destination, wanted)
            except KeyTaken:
                wanted = following(wanted)
        raise all_taken(destination, key)


def object_key(segment: Segment, role: str) -> str:
    """The key of one file: the clip's own, the others beside it on the same stem.

    What goes up raw with a clip to follow has a manifest of its own, so that the clip can have one.
    """
    if segment.owed and segment.form is Form.RAW:
        suffix = SUFFIXES["raw"] + (SUFFIXES["manifest"] if role == "manifest" else "")
        return sibling(segment.key, suffix)
    if role == "clip" or (role == "raw" and segment.form is Form.RAW):
        return segment.key
    return sibling(segment.key, SUFFIXES[role])


def all_taken(destination: str, key: str) -> OperatorError:
    """Nothing is left to try at a destination, up to ``key``."""
    return OperatorError(
        f"{KEY_TRIES} keys up to {key} are taken in {destination}",
        hint="Put {kasm_id} or {current_epoch} into session_recording_upload_location.",
    )
