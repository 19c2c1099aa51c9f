"""Headers of every answer: CORS, security, caching, and the id that the lines of the log about the request end with.

Source: errors.md sections 4 and 5 of the contract.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from pulse.lib.causes import caused
from pulse.lib.origins import is_listed

#: Scripts, styles and sockets of this origin only. Nothing inline, so that text from a host can never run.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
TRUSTED_TYPES = "; require-trusted-types-for 'script'; trusted-types 'none'"
#: Django's admin builds HTML with jQuery, which Trusted Types would stop.
ADMIN_PREFIX = "/admin/"

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), "
        "midi=(), payment=(), usb=()"
    ),
}
STRICT_TRANSPORT = "max-age=31536000"

CORS_METHODS = "GET, POST, PUT, DELETE, OPTIONS"
CORS_HEADERS = "Content-Type, Authorization, X-API-Token, X-Registration-Token"


class HeadersMiddleware:
    """The outermost layer: answers OPTIONS, and adds the headers to whatever anybody answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer with its headers."""
        method = request.method
        if method == "OPTIONS":
            response = HttpResponse(content_type="text/plain")
        else:
            request_id = new_request_id()
            with caused(request_id=request_id):
                response = self.get_response(request)
            # The door shows HEAD to views as GET; the server has to know that no body goes out.
            request.method = method
            is_secure = request.is_secure()
            added = security_headers(request.path_info, is_secure=is_secure, request_id=request_id)
            for name, value in added.items():
                response.headers.setdefault(name, value)
        for name, value in cors_headers(request.headers.get("Origin"), settings.ALLOWED_ORIGINS).items():
            response.headers[name] = value
        if settings.ALLOWED_ORIGINS and "*" not in settings.ALLOWED_ORIGINS:
            patch_vary_headers(response, ["Origin"])
        if not response.streaming and response.status_code not in (204, 304):
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


def new_request_id() -> str:
    """Return an id that no other request has."""
    return secrets.token_hex(8)


def security_headers(path: str, *, is_secure: bool, request_id: str = "") -> dict[str, str]:
    """Return the headers of an answer under the path; a view that sets one itself keeps its own."""
    headers = dict(SECURITY_HEADERS)
    is_admin = path.startswith(ADMIN_PREFIX)
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY + ("" if is_admin else TRUSTED_TYPES)
    if is_secure:
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    if path.startswith("/api/") or path in ("/metrics", "/pve"):
        headers["Cache-Control"] = "no-store"
    headers["X-Request-ID"] = request_id or new_request_id()
    return headers


def cors_headers(origin: str | None, allowed: Sequence[str]) -> dict[str, str]:
    """Return the CORS headers for a request's Origin: none at all when the list is empty.

    Cookies are never allowed across origins, so `*` opens nothing that a session protects.
    """
    if not allowed:
        return {}
    headers = {"Access-Control-Allow-Methods": CORS_METHODS, "Access-Control-Allow-Headers": CORS_HEADERS}
    if "*" in allowed:
        headers["Access-Control-Allow-Origin"] = "*"
    elif origin is not None and is_listed(origin, allowed):
        headers["Access-Control-Allow-Origin"] = origin
    return headers
