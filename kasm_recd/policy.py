"""``kasm-recd policy``: the least rights that the daemon needs, and a player's CORS rule."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from kasm_recd.doctor.cors import rule_for
from kasm_recd.errors import OperatorError
from kasm_recd.s3.conditions import PREFIX

if TYPE_CHECKING:
    from kasm_recd.settings import Settings

_VARIABLE = re.compile(r"\{[^{}]*\}")


def iam_policy(settings: Settings) -> dict[str, Any]:
    """An IAM policy (version 2012-10-17); raises OperatorError for a location that is a folder.

    Clips can be written and read, never deleted: only objects whose name begins as the throw-away
    ones' do, and no clip's can, for no variable begins with a dot in a key.
    """
    target = settings.location.target
    if target.scheme != "s3":
        raise OperatorError(
            f"clips go into the folder {target.folder}: there is nothing to grant",
            hint="Set session_recording_upload_location to s3://bucket/…",
        )
    arn = f"arn:aws:s3:::{target.bucket}"
    template = settings.location.template
    folder = _VARIABLE.sub("*", template.rpartition("/")[0])
    fixed = _VARIABLE.split(template)[0].rpartition("/")[0]
    statements = [
        _allow(
            "WriteAndProveClips", ["s3:PutObject", "s3:GetObject"], f"{arn}/{_under(fixed, '*')}"
        ),
        _allow("TellWhatIsMissing", ["s3:ListBucket"], arn),
        _allow("ThrowProbesAway", ["s3:DeleteObject"], f"{arn}/{_under(folder, f'{PREFIX}*')}"),
    ]
    if settings.storage_sse == "aws:kms":
        key = settings.storage_sse_kms_key_id
        resource = key if key.startswith("arn:") else "*"
        statements.append(_allow("UseTheKey", ["kms:GenerateDataKey", "kms:Decrypt"], resource))
    return {"Version": "2012-10-17", "Statement": statements}


def cors_document(origin: str) -> dict[str, Any]:
    """What PutBucketCors takes."""
    return {"CORSRules": [rule_for(origin)]}


def document(settings: Settings, *, origin: str, only: str) -> str:
    """Both as JSON text, or ``only`` one of them (``iam`` or ``cors``)."""
    both = {"iam": iam_policy(settings), "cors": cors_document(origin)}
    return json.dumps(both[only] if only else both, indent=1)


def _allow(name: str, actions: list[str], resource: str) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": [resource]}


def _under(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
