"""The one shape of an API error: `{"error": text, "code": name, "status_code": n, "timestamp": s}`, and the way to it.

`refusal_of` says what an exception means, wherever it was raised: in a REST framework view, in the door, or in Django
itself. Source: errors.md sections 1 to 3 of the contract.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions as drf

from pulse.lib import saving

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
#: What is told of an exception of Django's own, by the status that it has.
SENTENCES = {
    400: "the request cannot be read",
    403: "this is not allowed",
    404: "there is no such path",
    413: "the request body is too large",
    500: "something went wrong here; the log has the details",
    503: "the database cannot be reached or is too busy; try again",
}
#: The code of a field that has the wrong JSON type, rather than a wrong value.
WRONG_TYPE = "invalid_json"


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


class ErrorBody(msgspec.Struct, omit_defaults=True):
    """What every refusal and every failure looks like."""

    error: str
    code: str
    status_code: int
    timestamp: int
    details: dict[str, str] = {}


def error_body(
    status: int, message: str, *, code: str = "", details: Mapping[str, str] | None = None
) -> bytes:
    """Return the encoded error object; the timestamp is in Unix seconds."""
    body = ErrorBody(
        message, code or CODES.get(status, "error"), status, int(time.time()), dict(details or {})
    )
    return msgspec.json.encode(body)


def response_of(error: ApiError) -> HttpResponse:
    """Return the answer that a refusal stands for."""
    body = error_body(error.status, error.message, code=error.code, details=error.details)
    return HttpResponse(body, status=error.status, content_type="application/json", headers=error.headers)


def refusal_of(error: BaseException | None) -> ApiError | None:
    """Return what an exception tells the client, None for one that nobody expected.

    A database that is out of reach or too busy is not our mistake and passes: 503, with when to come back.
    """
    match error:
        case ApiError():
            return error
        case drf.ValidationError():
            return refused_fields(error)
        case drf.APIException():
            return ApiError(error.status_code, str(error.detail))
        case Http404():
            return of_django(404)
        case PermissionDenied():
            return of_django(403)
        case RequestDataTooBig():
            return of_django(413)
        case BadRequest() | SuspiciousOperation():
            return of_django(400)
        case OperationalError() | InterfaceError():
            return unavailable()
    return None


def of_django(status: int) -> ApiError:
    """Return what is told of an exception of Django's own."""
    headers = {"Retry-After": "5"} if status == 503 else {}
    return ApiError(status, SENTENCES[status], code="bad_request" if status == 400 else "", headers=headers)


def unavailable() -> ApiError:
    """Return what is told while the database does not do what it should, with the cause where it is known."""
    refusal = of_django(503)
    refusal.message = saving.sentence() or refusal.message
    return refusal


def refused_fields(error: drf.ValidationError) -> ApiError:
    """Return the refusal of a body: its text names the first wrong field, `details` all of them."""
    problems = dict(flat_problems(error.detail))
    field, problem = next(iter(problems.items()), ("", "the request is not valid"))
    is_type = any(problem.code == WRONG_TYPE for problem in problems.values())
    code = WRONG_TYPE if is_type else "validation_error"
    details = {name: str(problem) for name, problem in problems.items()}
    return ApiError(400, f"{field} {problem}".strip(), code=code, details=details)


def flat_problems(detail: Any, prefix: str = "") -> Iterator[tuple[str, drf.ErrorDetail]]:
    """Yield REST framework's nested problems as field and first problem."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from flat_problems(value, f"{prefix}.{name}".strip("."))
    elif isinstance(detail, list):
        if detail:
            yield from flat_problems(detail[0], prefix)
    else:
        yield prefix, detail


def answer_to(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Answer for a REST framework view that raised; None leaves what nobody expected to Django, which logs it."""
    refusal = refusal_of(error)
    if refusal is None or (refusal.status >= 500 and refusal is not error):
        return None
    return response_of(refusal)


#: What lies under these addresses is for programs.
MACHINE_PATHS = ("/api", "/metrics", "/pve")


def is_api_path(path: str) -> bool:
    """Return whether errors under this path are JSON for everybody."""
    return path in MACHINE_PATHS or path.startswith(
        ("/ws", "/socket.io/", *(f"{one}/" for one in MACHINE_PATHS))
    )


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django refuses to read, such as one with a bad Host."""
    return answer_for_django(request, exception, 400)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a refusal by Django itself, such as a missing CSRF token of a form."""
    return answer_for_django(request, exception, 403)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path."""
    return answer_for_django(request, exception, 404)


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer after an unexpected exception, which Django has logged; nothing of it is told."""
    return answer_for_django(request, sys.exc_info()[1], 500)


def answer_for_django(request: HttpRequest, error: BaseException | None, status: int) -> HttpResponse:
    """Return JSON under the API, a page elsewhere."""
    from pulse.lib.pages import error_page

    refusal = refusal_of(error) or of_django(status)
    if is_api_path(request.path_info):
        return response_of(refusal)
    response = error_page(request, refusal.status if refusal.status == 503 else status)
    for name, value in refusal.headers.items():
        response.headers[name] = value
    return response
