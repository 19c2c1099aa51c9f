"""Answers to what never becomes a request: written to the connection as they are, in the API's error shape."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pulse.lib.clients import arrival_of_scope, headers_of_scope
from pulse.lib.errors import error_body
from pulse.lib.headers import security_headers


def plain_refusal(
    status: HTTPStatus, message: str, *, scope: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a whole HTTP/1.1 answer, after which the connection ends; the scope has what is known of the request."""
    arrival = arrival_of_scope(scope, headers_of_scope(scope))
    body = error_body(status, message, code="bad_request")
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **security_headers(scope.get("path", ""), is_secure=arrival.scheme == "https"),
        "Cache-Control": "no-store",
        **(headers or {}),
    }
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        *(f"{name.lower()}: {value}" for name, value in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
