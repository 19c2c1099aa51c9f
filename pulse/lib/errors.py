"""The one shape of an API error: `{"error": text, "code": name, "status_code": n, "timestamp": s}`.

Source: errors.md sections 1 to 3 of the contract.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions as drf

logger = logging.getLogger(__name__)

#: The code of an error that carries none of its own.
CODES = {
    400: "validation_error",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "body_too_large",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}


class ApiError(Exception):
    """A refusal with its status, its machine name and a sentence for people; becomes the answer as it is."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES.get(status, "error")
        self.details = dict(details or {})
        self.headers = dict(headers or {})


def error_body(
    status: int, message: str, *, code: str = "", details: Mapping[str, str] | None = None
) -> bytes:
    """Return the encoded error object; the timestamp is in Unix seconds."""
    body: dict[str, object] = {
        "error": message,
        "code": code or CODES.get(status, "error"),
        "status_code": status,
        "timestamp": int(time.time()),
    }
    if details:
        body["details"] = dict(details)
    return msgspec.json.encode(body)


def error_response(
    status: int,
    message: str,
    *,
    code: str = "",
    details: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return the answer for a refusal."""
    body = error_body(status, message, code=code, details=details)
    return HttpResponse(body, status=status, content_type="application/json", headers=dict(headers or {}))


def response_of(error: ApiError) -> HttpResponse:
    """Return the answer that an ApiError stands for."""
    return error_response(
        error.status, error.message, code=error.code, details=error.details, headers=error.headers
    )


def drf_exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Turn what a REST framework view raises into the one shape; None leaves the rest to Django's 500."""
    if isinstance(error, ApiError):
        return response_of(error)
    if isinstance(error, Http404):
        return error_response(404, "there is nothing here")
    if isinstance(error, RequestDataTooBig):
        return error_response(413, "the request body is too large")
    if isinstance(error, drf.ValidationError):
        details = flatten_details(error.detail)
        field, problem = next(iter(details.items()), ("", "the request is not valid"))
        return error_response(400, f"{field}: {problem}" if field else problem, details=details)
    if isinstance(error, drf.APIException):
        return error_response(error.status_code, str(error.detail))
    return None


def flatten_details(detail: Any, prefix: str = "") -> dict[str, str]:
    """Return REST framework's nested problems as field -> first problem."""
    if isinstance(detail, dict):
        flat: dict[str, str] = {}
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            flat.update(flatten_details(value, f"{prefix}.{name}".strip(".")))
        return flat
    if isinstance(detail, list):
        return flatten_details(detail[0], prefix) if detail else {}
    return {prefix: str(detail)}


def is_api_path(path: str) -> bool:
    """Return whether errors under this path are JSON for everybody."""
    return path.startswith(("/api/", "/ws", "/socket.io/")) or path == "/api"


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path: JSON under the API, a page elsewhere."""
    from pulse.lib.pages import error_page

    if is_api_path(request.path):
        return error_response(404, "there is no such path")
    return error_page(request, 404)


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer after an unexpected exception, which Django has logged; nothing of it is told.

    A database that is out of reach or too busy is not our mistake and passes: 503, with when to come back.
    """
    from pulse.lib.pages import error_page

    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        message = "the database cannot be reached or is too busy; try again"
        answer = error_response(503, message) if is_api_path(request.path) else error_page(request, 503)
        answer["Retry-After"] = "5"
        return answer
    if is_api_path(request.path):
        return error_response(500, "something went wrong here; the log has the details")
    return error_page(request, 500)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a refusal by Django itself, such as a missing CSRF token of a form."""
    from pulse.lib.pages import error_page

    if is_api_path(request.path):
        return error_response(403, "this is not allowed")
    return error_page(request, 403)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django refuses to read, such as one with a bad Host."""
    from pulse.lib.pages import error_page

    if is_api_path(request.path):
        return error_response(400, "the request cannot be read", code="bad_request")
    return error_page(request, 400)
