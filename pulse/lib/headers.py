"""Headers of every answer: CORS, security, caching, request id. Source: errors.md sections 4 and 5 of the contract."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

#: No inline script or style, no foreign origin, no string that becomes HTML.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'{sockets}; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
TRUSTED_TYPES = "; require-trusted-types-for 'script'; trusted-types 'none'"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
CORS_METHODS = "GET, POST, PUT, DELETE, OPTIONS"
CORS_HEADERS = "Content-Type, Authorization, X-API-Token, X-Registration-Token"


class HeadersMiddleware:
    """Add the headers to every answer, whoever made it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer with its headers."""
        response = self.get_response(request)
        add_cors(request, response)
        if request.method == "OPTIONS":
            return response
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", content_security_policy(request))
        if "*" not in settings.ALLOWED_ORIGINS:
            response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Request-ID", secrets.token_hex(8))
        return response


def add_cors(request: HttpRequest, response: HttpResponse) -> None:
    """Name the origins that may read the answer; never with credentials."""
    origins = settings.ALLOWED_ORIGINS
    if "*" in origins:
        response.headers["Access-Control-Allow-Origin"] = "*"
    else:
        response.headers["Vary"] = ", ".join(filter(None, [response.headers.get("Vary", ""), "Origin"]))
        origin = request.headers.get("Origin", "")
        if origin not in origins:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Methods"] = CORS_METHODS
    response.headers["Access-Control-Allow-Headers"] = CORS_HEADERS


def content_security_policy(request: HttpRequest) -> str:
    """Return the policy of a page; Django's admin builds HTML from strings and goes without Trusted Types."""
    host = request.headers.get("Host", "")
    plain = (
        host.replace(".", "").replace("-", "").replace(":", "").replace("[", "").replace("]", "").isalnum()
    )
    sockets = f" ws://{host} wss://{host}" if plain else ""
    text = POLICY.format(sockets=sockets)
    return text if request.path.startswith("/admin") else text + TRUSTED_TYPES
