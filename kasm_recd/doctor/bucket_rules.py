"""The bucket's own rules: what it deletes by itself, and what nobody may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kasm_recd.doctor.finding import error, note, ok
from kasm_recd.s3.examining import NotTold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kasm_recd.doctor.finding import Finding
    from kasm_recd.s3.examining import Examination


def lifecycle(exam: Examination, keep_days: int) -> Iterator[Finding]:
    """Whether a rule deletes clips, and one before ``keep_days`` is an error."""
    check = "bucket.lifecycle"
    try:
        rules = exam.expirations()
    except NotTold as untold:
        yield _not_told(check, untold, "s3:GetLifecycleConfiguration")
        return
    folder = exam.key.rpartition("/")[0]
    met = [
        each for each in rules if folder.startswith(each.prefix) or each.prefix.startswith(folder)
    ]
    for rule in met:
        said = f"lifecycle rule {rule.name!r} deletes what lies under {rule.prefix or '/'!r} "
        said += f"after {rule.days} days"
        if rule.days < keep_days:
            yield error(
                check, said, f"Give it at least {keep_days} days (--keep-days), or another prefix."
            )
        else:
            yield note(check, said)
    if not met:
        yield ok(check, "no rule deletes clips")


def lock(exam: Examination) -> Iterator[Finding]:
    """Whether clips are safe from those who have the rights to delete."""
    check = "bucket.lock"
    try:
        found = exam.lock()
    except NotTold as untold:
        yield _not_told(check, untold, "s3:GetBucketObjectLockConfiguration")
        return
    if found:
        yield ok(check, f"objects are locked: {found}")
    else:
        yield note(check, "the bucket has no object lock: who has the rights can delete clips")


def _not_told(check: str, untold: NotTold, right: str) -> Finding:
    mend = f"Run doctor with a key that has {right}, or look yourself."
    return note(check, f"this cannot be looked at: {untold}", mend)
