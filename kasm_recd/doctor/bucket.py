"""The bucket end to end, with a throw-away object: put, refused, proved, read, deleted."""

from __future__ import annotations

from dataclasses import replace
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, Final

from kasm_recd.doctor import bucket_rules, clock
from kasm_recd.doctor.finding import error, note, of_error, ok, warning
from kasm_recd.errors import RecdError, StoreUnavailable
from kasm_recd.recorder import building
from kasm_recd.s3 import browsing
from kasm_recd.s3.examining import CONTENT, Examination

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.doctor.finding import Finding
    from kasm_recd.settings import Settings
    from kasm_recd.storage import Endpoint

KEEP_DAYS: Final = 30
_POLICY: Final = "Grant what `kasm-recd policy` prints."


def bucket(settings: Settings, *, keep_days: int = KEEP_DAYS) -> Iterator[Finding]:
    """Every check, as far as the ones before it leave a meaning to it.

    A lifecycle that deletes clips before ``keep_days`` is an error.
    """
    endpoint = building.endpoint_of(settings)
    try:
        exam = examination(settings, endpoint)
    except RecdError as refused:
        yield of_error("bucket.client", refused)
        return
    try:
        yield from _write(exam, settings, endpoint)
        yield from bucket_rules.lifecycle(exam, keep_days)
        yield from bucket_rules.lock(exam)
    except RecdError as failed:
        yield _explained(failed, settings, endpoint)
    finally:
        exam.close()


def examination(settings: Settings, endpoint: Endpoint) -> Examination:
    """The upload location's bucket, as the settings reach it; raises StoreRefused."""
    return Examination(
        settings.location.target,
        endpoint=endpoint,
        key=settings.recording_object_storage_key.get_secret_value(),
        secret=settings.recording_object_storage_secret.get_secret_value(),
        folder=settings.location.key({}, sequence=0).rpartition("/")[0],
    )


def _reach(exam: Examination) -> Iterator[Finding]:
    try:
        region = exam.reach()
    except RecdError:
        return  # a right is missing, which the object's checks name better
    if region and region not in (exam.dialect.region, "default"):
        yield error(
            "bucket.region",
            f"the bucket is in {region}, requests are signed for {exam.dialect.region}",
            f'Set storage_region = "{region}".',
        )
    else:
        yield ok("bucket.reach", f"it answers, {exam.dialect.addressing}-style")


def _write(exam: Examination, settings: Settings, endpoint: Endpoint) -> Iterator[Finding]:
    """Writes first: unlike a HEAD's, the answer says what is wrong."""
    answer = exam.put(**_encryption(settings))
    try:
        yield from _reach(exam)
        yield from _clock(answer)
        yield from _encrypted(answer, settings)
        yield from _read_back(exam)
        yield from _conditional(exam, settings)
        yield from _checksums(exam)
        yield from _public(exam, endpoint)
        yield from _listing(exam)
    finally:
        deleted = _delete(exam)
    yield from deleted


def _clock(answer: Any) -> Iterator[Finding]:
    if date := answer["ResponseMetadata"]["HTTPHeaders"].get("date"):
        yield clock.against_store(time(), parsedate_to_datetime(date).timestamp())


def _encryption(settings: Settings) -> dict[str, str]:
    if settings.storage_sse == "none":
        return {}
    key = settings.storage_sse_kms_key_id
    return {"ServerSideEncryption": settings.storage_sse, **({"SSEKMSKeyId": key} if key else {})}


def _encrypted(answer: Any, settings: Settings) -> Iterator[Finding]:
    wanted, told = settings.storage_sse, answer.get("ServerSideEncryption", "")
    if wanted not in ("none", told):
        yield error(
            "bucket.encryption",
            f"storage_sse = {wanted} was asked for, the store says {told or 'nothing'}",
            "Use a store that encrypts, or set storage_sse = 'none' and encrypt its disks.",
        )


def _read_back(exam: Examination) -> Iterator[Finding]:
    if exam.read() == CONTENT:
        yield ok("bucket.write", "an object was put and read back")
    else:
        yield error("bucket.write", "an object came back changed", "See the proxies on the way.")


def _conditional(exam: Examination, settings: Settings) -> Iterator[Finding]:
    check = "bucket.conditional_write"
    if exam.heeds_condition():
        yield ok(check, "what is there is never overwritten (If-None-Match)")
    elif settings.conditional_put == "on":
        yield error(
            check,
            'the store passes over If-None-Match, and conditional_put = "on" trusts it',
            'Set conditional_put = "auto".',
        )
    else:
        yield note(
            check,
            "the store passes over If-None-Match: every key is looked at before it is written",
            "Keep {kasm_id} in session_recording_upload_location.",
        )


def _checksums(exam: Examination) -> Iterator[Finding]:
    if exam.checks_checksums():
        yield ok("bucket.checksums", "bytes that were changed on their way are refused")
    else:
        yield note(
            "bucket.checksums",
            "the store takes bytes that do not match their checksum; clips are still proved after "
            "every upload",
        )


def _public(exam: Examination, endpoint: Endpoint) -> Iterator[Finding]:
    if browsing.is_public(exam.url, endpoint):
        yield error(
            "bucket.public",
            "anybody can read what is stored in it, without a key",
            "Take public access from the bucket (policy and ACL).",
        )
    else:
        yield ok("bucket.public", "nobody reads it without a key")


def _listing(exam: Examination) -> Iterator[Finding]:
    if exam.tells_what_is_missing():
        yield ok("bucket.list", "it says what is missing")
    else:
        yield warning(
            "bucket.list",
            "without the right to list, a key that is free cannot be told from one that is hidden",
            f"s3:ListBucket is missing. {_POLICY}",
        )


def _delete(exam: Examination) -> list[Finding]:
    try:
        exam.delete()
    except RecdError as refused:
        mend = f"s3:DeleteObject on {exam.key} is missing. {_POLICY} Delete the object yourself."
        return [warning("bucket.delete", f"the throw-away object stays: {refused}", mend)]
    found = [ok("bucket.delete", "throw-away objects can be deleted")]
    if exam.may_delete(f"{exam.key.replace('probe', 'clip')}.mp4"):
        found.append(
            note(
                "bucket.delete_clips",
                "the key may also delete clips, which the daemon never does",
                f"{_POLICY} It allows no more than is needed.",
            )
        )
    return found


def _explained(failed: RecdError, settings: Settings, endpoint: Endpoint) -> Finding:
    """The failure; where another way of speaking works, that is the way out."""
    found = of_error("bucket.reach", failed)
    if not isinstance(failed, StoreUnavailable) and "storage_scheme" not in failed.hint:
        return replace(found, mend=f"{found.mend} {_POLICY}") if "Grant" in found.mend else found
    others: tuple[tuple[str, dict[str, Any]], ...] = (
        ('storage_addressing_style = "path"', {"addressing_style": "path"}),
        ('storage_scheme = "http", and better, give the store TLS', {"scheme": "http"}),
        ('storage_scheme = "https"', {"scheme": "https"}),
    )
    for setting, change in others:
        other = replace(endpoint, **change)
        if other == endpoint:
            continue
        try:
            exam = examination(settings, other)
            exam.reach()
            exam.close()
        except RecdError:
            continue
        return replace(found, mend=f"It answers otherwise: set {setting}.")
    return found
