"""The door: one place that finds out who calls and holds every view's declaration.

Order of checks: rate limit, method, credential, scope, same-origin proof, size of the body (errors.md section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from accounts import credentials
from accounts.credentials import WRONG_TOKEN, Refusal
from pulse.lib import errors
from pulse.lib.auth import ANONYMOUS, Access, Caller, Policy, policy_of
from pulse.lib.clients import client_address, is_trusted, same_origin
from pulse.lib.limits import wait_seconds

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Views of Django itself that cannot carry a declaration; by the app of the resolver's match.
DJANGO_ADMIN = Policy(methods={"GET": Access.DJANGO_ADMIN, "POST": Access.DJANGO_ADMIN})
NOBODY_YET = (
    "Unauthorized: this Pulse is not set up and serves only the machine it runs on. Open the page on that machine, "
    "or claim it at /setup with the code that `pulse claim-code` prints there, or set PULSE_AUTH=open"
)
NO_CREDENTIAL = "Unauthorized: send an API token in the header X-API-Token, or sign in"
NO_PROOF = Refusal(
    403, "the request does not come from a page of this Pulse; reload the page and try again", "cross_site"
)


class DoorMiddleware:
    """Hold the declaration of the view that a request leads to; a view without one is refused."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer OPTIONS for every path; pass on everything else."""
        if request.method == "OPTIONS":
            return HttpResponse(b"", content_type="text/plain")
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Return the refusal, or None to let the request through with `request.caller` set."""
        declared = declared_policy(request, view)
        if declared is None:
            return errors.error_response(500, "this route has no declared policy and is therefore closed")
        refused = refuse_rate(request, declared) or refuse_method(request, declared)
        if refused is not None:
            return refused
        access = declared.methods["GET" if request.method == "HEAD" else str(request.method)]
        if access in (Access.PUBLIC, Access.OWN_TOKEN):
            # Looked up only if the view asks: health must answer while the database does not.
            request.caller = SimpleLazyObject(lambda: caller_of_request(request)[0])  # type: ignore[attr-defined]
            return refuse_size(request)
        caller, refusal = caller_of_request(request)
        request.caller = caller  # type: ignore[attr-defined]
        if access is Access.DJANGO_ADMIN:
            return None if settings.PULSE_ADMIN else errors.handler404(request, Exception())
        if access is Access.PAGE and not caller.may(access):
            return lead_in(request)
        if refusal is None and not caller.may(access):
            refusal = refusal_of(caller, access)
        if refusal is None and needs_proof(request, caller) and not has_proof(request):
            refusal = NO_PROOF
        if refusal is not None:
            return errors.error_response(refusal.status, refusal.message, code=refusal.code)
        return refuse_size(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn an ApiError of a plain view into its answer."""
        return errors.response_of(exception) if isinstance(exception, errors.ApiError) else None


def declared_policy(request: HttpRequest, view: Callable[..., Any]) -> Policy | None:
    """Return what the view declares; the admin site, whose views are Django's, is declared here."""
    match = request.resolver_match
    if match is not None and "admin" in match.app_names:
        return DJANGO_ADMIN
    return policy_of(view)


def refuse_rate(request: HttpRequest, declared: Policy) -> HttpResponse | None:
    """Return 429 when the client has used up the limit of the route."""
    limit = declared.limit
    if limit is None:
        return None
    wait = wait_seconds(limit, address_of(request), request)
    if wait is None:
        return None
    headers = {"Retry-After": str(wait), "X-RateLimit-Limit": str(limit.count), "X-RateLimit-Remaining": "0"}
    return errors.error_response(429, f"too many requests; try again in {wait} s", headers=headers)


def refuse_method(request: HttpRequest, declared: Policy) -> HttpResponse | None:
    """Return 405 with the methods that the route knows."""
    known = set(declared.methods) | ({"HEAD"} if "GET" in declared.methods else set())
    if request.method in known:
        return None
    allow = ", ".join(sorted(known | {"OPTIONS"}))
    return errors.error_response(405, f"{request.method} is not possible here", headers={"Allow": allow})


def refuse_size(request: HttpRequest) -> HttpResponse | None:
    """Return 413 when the announced body is larger than any route reads."""
    try:
        announced = int(request.headers.get("Content-Length") or 0)
    except ValueError:
        return errors.error_response(400, "the Content-Length header is not a number")
    if announced > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return errors.error_response(413, "the request body is larger than 1 MiB")
    return None


def caller_of_request(request: HttpRequest) -> tuple[Caller, Refusal | None]:
    """Return who calls, and why a credential that was presented does not count.

    A wrong token is refused even beside a good cookie: who sends a token means to use it.
    """
    headers = lower_headers(request.headers)
    token = credentials.presented_token(headers)
    if token is not None:
        caller = credentials.caller_by_token(token, at=timezone.now())
        return (caller, None) if caller else (ANONYMOUS, WRONG_TOKEN)
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated and user.is_active:
            return credentials.caller_of_user(user), None
    peer = request.META.get("REMOTE_ADDR", "")
    return credentials.caller_without_credential(peer, headers, scheme=str(request.scheme)), None


def refusal_of(caller: Caller, access: Access) -> Refusal:
    """Return the refusal of a caller that lacks the scope."""
    if caller.kind == "anonymous":
        return Refusal(401, NO_CREDENTIAL if credentials.is_configured() else NOBODY_YET)
    if caller.kind in ("loopback", "open"):
        return Refusal(401, "Unauthorized: this always needs an account or a token with the scope admin")
    return Refusal(403, f"this needs the scope {access}", "forbidden")


def lead_in(request: HttpRequest) -> HttpResponse:
    """Lead a person without a credential to the sign-in, or to the set-up of a fresh install."""
    if credentials.is_configured():
        return HttpResponseRedirect(f"/login?next={quote(request.get_full_path())}")
    return HttpResponseRedirect("/setup")


def needs_proof(request: HttpRequest, caller: Caller) -> bool:
    """Return whether the request must prove that a page of ours sent it: a browser added its credential."""
    return caller.kind in ("session", "loopback", "open") and request.method not in SAFE_METHODS


def has_proof(request: HttpRequest) -> bool:
    """Return whether an unsafe request comes from our own origin, or from no browser at all.

    A browser names the site of the sender in Sec-Fetch-Site and its Origin; it cannot be made to lie about them.
    A caller without a cookie that sends neither is a program on this machine.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if origin is not None:
        return same_origin(origin, scheme=own_scheme(request), host=own_host(request))
    if site is not None:
        return site in ("same-origin", "none")
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return True
    return csrf_token_is_valid(request)


def csrf_token_is_valid(request: HttpRequest) -> bool:
    """Return whether the request carries Django's own token against forged requests."""
    checker = CsrfViewMiddleware(lambda _: HttpResponse())
    checker.process_request(request)
    request.csrf_processing_done = False  # type: ignore[attr-defined]
    return checker.process_view(request, lambda _: HttpResponse(), (), {}) is None


def own_scheme(request: HttpRequest) -> str:
    """Return the scheme under which browsers see this request; a proxy is believed only when trusted."""
    if is_trusted(request.META.get("REMOTE_ADDR", ""), settings.PULSE_TRUSTED_PROXIES):
        forwarded = request.headers.get("X-Forwarded-Proto", "").strip().lower()
        if forwarded in ("http", "https"):
            return forwarded
    return str(request.scheme)


def own_host(request: HttpRequest) -> str:
    """Return the host under which browsers see this request; a proxy is believed only when trusted."""
    if is_trusted(request.META.get("REMOTE_ADDR", ""), settings.PULSE_TRUSTED_PROXIES):
        forwarded = request.headers.get("X-Forwarded-Host", "").strip()
        if forwarded:
            return forwarded
    return request.headers.get("Host", "")


def address_of(request: HttpRequest) -> str:
    """Return the address of the client, behind trusted proxies the one that they saw."""
    return client_address(
        request.META.get("REMOTE_ADDR", ""),
        request.headers.get("X-Forwarded-For", ""),
        settings.PULSE_TRUSTED_PROXIES,
    )


def lower_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers under lower-case names."""
    return {name.lower(): value for name, value in headers.items()}
