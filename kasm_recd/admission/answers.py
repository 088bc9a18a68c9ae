"""How an answer is put into HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping


def as_json(
    status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer in JSON; what JSON has no word for is told by its text."""
    text = json.dumps(content, default=str, allow_nan=False)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)
