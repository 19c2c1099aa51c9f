"""Request bodies: JSON from the raw bytes, whatever the Content-Type says."""

from __future__ import annotations

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from pulse.lib.errors import ApiError

#: No request of the API nests deeper than this.
MAX_DEPTH = 64


def read_json_object(request: HttpRequest, *, required: bool = True) -> dict[str, object]:
    """Return the body as a JSON object; an empty body is `{}` unless one is required.

    Raises ApiError 400 `invalid_json` for anything that is not one object, 413 for a body over the limit.
    Source: errors.md section 3.
    """
    try:
        raw = request.body
    except RequestDataTooBig:
        raise ApiError(413, "the request body is too large") from None
    if not raw.strip():
        if required:
            raise ApiError(400, "the request needs a JSON object as its body", code="invalid_json")
        return {}
    if too_deep(raw):
        raise ApiError(400, f"the JSON is nested deeper than {MAX_DEPTH} levels", code="invalid_json")
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ApiError(400, "the request body is not valid JSON", code="invalid_json") from None
    if not isinstance(value, dict):
        raise ApiError(400, "the request body must be a JSON object", code="invalid_json")
    return value


def too_deep(raw: bytes) -> bool:
    """Return whether brackets outside strings nest deeper than MAX_DEPTH; cheap for ordinary bodies."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in (0x5D, 0x7D):
            depth -= 1
    return False
