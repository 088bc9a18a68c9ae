"""Whether a player in a browser may read clips: a real preflight, and the rule that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kasm_recd.doctor.bucket import examination
from kasm_recd.doctor.finding import error, of_error, ok, warning
from kasm_recd.errors import RecdError
from kasm_recd.recorder import building
from kasm_recd.s3 import browsing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.doctor.finding import Finding
    from kasm_recd.s3.examining import Examination
    from kasm_recd.settings import Settings
    from kasm_recd.storage import Endpoint

#: An origin that nobody has (RFC 2606): a store that lets it in lets in everybody.
STRANGER = "https://kasm-recd-doctor.invalid"


def rule_for(origin: str) -> dict[str, Any]:
    """The CORS rule under which a player on ``origin`` reads clips piece by piece."""
    return {
        "AllowedOrigins": [origin],
        "AllowedMethods": ["GET", "HEAD"],
        "AllowedHeaders": ["Range"],
        "ExposeHeaders": ["Accept-Ranges", "Content-Length", "Content-Range", "ETag"],
        "MaxAgeSeconds": 3600,
    }


def cors(settings: Settings, origin: str, *, fix: bool) -> Iterator[Finding]:
    """Asks as a browser on ``origin`` would; ``fix`` adds the rule where it is missing."""
    if settings.location.target.scheme != "s3":
        yield ok("bucket.cors", "clips lie in a folder: there is no CORS")
        return
    endpoint = building.endpoint_of(settings)
    try:
        exam = examination(settings, endpoint)
    except RecdError as refused:
        yield of_error("bucket.cors", refused)
        return
    try:
        yield from _look(exam, endpoint, origin, fix=fix)
    except RecdError as failed:
        yield of_error("bucket.cors", failed)
    finally:
        exam.close()


def _look(exam: Examination, endpoint: Endpoint, origin: str, *, fix: bool) -> Iterator[Finding]:
    allowed = browsing.preflight(exam.url, endpoint, origin).allows(origin)
    if not allowed and fix:
        try:
            exam.add_cors(rule_for(origin))
        except RecdError as refused:
            yield error(
                "bucket.cors.fix",
                f"the rule could not be set: {refused}",
                "Run this with a key that has s3:PutBucketCORS and s3:GetBucketCORS, or give "
                "`kasm-recd policy --origin` to whoever has. A store without CORS needs a proxy "
                "that adds it.",
            )
            return
        allowed = browsing.preflight(exam.url, endpoint, origin).allows(origin)
    if not allowed:
        yield error(
            "bucket.cors",
            f"a browser on {origin} may not read clips: the store refuses its preflight",
            f"kasm-recd doctor --cors {origin} --fix sets the rule.",
        )
        return
    yield ok("bucket.cors", f"a browser on {origin} may read clips")
    if browsing.preflight(exam.url, endpoint, STRANGER).allows(STRANGER):
        yield warning(
            "bucket.cors.anybody",
            "and so may one on any other site",
            "Name the origins in the bucket's CORS rules in place of *.",
        )
