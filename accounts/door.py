"""The door: every request passes here and is held to what its view declares.

Order of checks: rate limit, method, credential, scope, body (errors.md section 3). Whatever fails here refuses.
WebSockets pass the same rules in `accounts.sockets`, whose names are given on here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from rest_framework.authentication import CSRFCheck

from accounts import refusals, sessions
from accounts.credentials import (
    caller_by_token,
    caller_of_user,
    caller_without_credential,
    missing_credential,
    shown_token,
)
from accounts.fresh import is_configured
from accounts.proofs import missing_proof
from accounts.sockets import resolve_scope, still_valid
from pulse.lib import limits
from pulse.lib.auth import ANONYMOUS, Access, Caller, Policy, policy_of
from pulse.lib.causes import sent_by
from pulse.lib.clients import arrival_of, limit_key
from pulse.lib.errors import ApiError, is_api_path, response_of
from pulse.lib.heads import Admitted, counted, is_head_only
from pulse.lib.logs import Told
from pulse.lib.origins import is_listed

__all__ = ["DoorMiddleware", "resolve_scope", "still_valid"]

logger = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD"})
MAX_QUERY_CHARS = 8192
#: The admin's views are Django's own and cannot carry a declaration.
ADMIN_POLICY = Policy(methods={"GET": Access.DJANGO_ADMIN, "POST": Access.DJANGO_ADMIN})
#: In the admin a password given longer ago has to be given again.
ADMIN_FRESH = timedelta(hours=1)


#: A database that is away is told once, not with each request.
TOLD = Told()


class DoorMiddleware:
    """Put `request.caller` on a request and let it on to its view, or answer for the view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; the answer tells how much of its rate limit is left."""
        # Django's own check would come before the method is looked at, and accepts no Origin as proof.
        request.csrf_processing_done = True  # type: ignore[attr-defined]
        response = self.get_response(request)
        verdict: limits.Verdict | None = getattr(request, "rate_limit", None)
        if verdict is not None:
            for name, value in verdict.headers.items():
                response.headers[name] = value
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: object, kwargs: object
    ) -> HttpResponse | None:
        """Return the refusal, or None to let the request through."""
        try:
            self.check(request, declared_policy(request, view))
        except ApiError as refusal:
            address = arrival_of(request).address
            refusals.note(refusal, method=str(request.method), path=request.path_info, address=address)
            return refuse(request, refusal)
        except DatabaseError as error:
            if TOLD.is_news("door", type(error).__name__):
                logger.exception("who sends a request could not be looked up")
            return refuse(request, ApiError(503, "it cannot be checked right now who you are; try again"))
        TOLD.is_over("door")
        if is_head_only(request):
            verdict: limits.Verdict | None = getattr(request, "rate_limit", None)
            return Admitted(limit_key(arrival_of(request).address), request.caller, verdict)  # type: ignore[attr-defined]
        if request.method == "HEAD":
            request.method = "GET"
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn an ApiError that a view raised into its answer."""
        return refuse(request, exception) if isinstance(exception, ApiError) else None

    @staticmethod
    def check(request: HttpRequest, policy: Policy | None) -> None:
        """Raise ApiError unless the request may go on to a view of this policy."""
        if policy is None:
            logger.error("the route %s declares no policy and is closed", request.resolver_match)
            raise ApiError(500, "this route is closed: it does not say who may use it")
        check_rate(request, policy)
        access = access_of(request, policy)
        request.calls_hosts = policy.calls_hosts  # type: ignore[attr-defined]
        request.caller = ANONYMOUS  # type: ignore[attr-defined]
        if access is Access.PUBLIC:
            check_form(request)
        elif access is Access.DJANGO_ADMIN:
            request.caller = check_admin(request)  # type: ignore[attr-defined]
        elif access is not Access.OWN_TOKEN:
            request.caller = caller = identify(request)  # type: ignore[attr-defined]
            check_scope(caller, access)
        check_size(request)


def declared_policy(request: HttpRequest, view: Callable[..., Any]) -> Policy | None:
    """Return what the view declares, None when it declares nothing."""
    match = request.resolver_match
    return ADMIN_POLICY if match is not None and "admin" in match.app_names else policy_of(view)


def check_rate(request: HttpRequest, policy: Policy) -> None:
    """Count the request; raises 429 when it is one too many."""
    limit = policy.limit_of(str(request.method))
    if limit is None:
        return
    client = limit_key(arrival_of(request).address)
    verdict = counted(request) or limits.hit(limit, client)
    request.rate_limit = verdict  # type: ignore[attr-defined]
    if not verdict.is_allowed:
        raise ApiError(
            429, f"too many requests; try again in {verdict.wait_seconds} s", headers=verdict.headers
        )


def access_of(request: HttpRequest, policy: Policy) -> Access:
    """Return what the method demands; raises 405 for one that the view does not answer."""
    method = "GET" if request.method == "HEAD" else str(request.method)
    access = policy.methods.get(method)
    if access is None:
        methods = [*policy.methods, *(["HEAD"] if "GET" in policy.methods else []), "OPTIONS"]
        raise ApiError(405, f"this path does not answer {method}", headers={"Allow": ", ".join(methods)})
    return access


def identify(request: HttpRequest) -> Caller:
    """Return who calls.

    Raises ApiError 401 for a wrong token, even beside a good cookie: whoever shows a token means it. 403 for an
    unsafe request that another site's page may have sent.
    """
    at = timezone.now()
    arrival = arrival_of(request)
    shown = shown_token(headers_of(request))
    caller = caller_by_token(shown, arrival, at=at) if shown is not None else None
    if shown is not None and caller is not None:
        sent_by(caller)
        if shown.is_password:
            check_other_sites(request, caller)
        return caller
    caller = caller_of_user(request.user, request.session)
    if caller is not None:
        sent_by(caller)
        check_page(request)
        sessions.touch(request.session, at=at)
        return caller
    caller = caller_without_credential(arrival)
    if caller is not ANONYMOUS:
        sent_by(caller)
        check_other_sites(request, caller)
    return caller


def headers_of(request: HttpRequest) -> dict[str, str]:
    """Return the headers by lower-case name."""
    return {name.lower(): value for name, value in request.headers.items()}


def check_form(request: HttpRequest) -> None:
    """Raise 403 for a form, such as the sign-in, that no page of ours sent; the public API needs no proof."""
    if not is_api_path(request.path_info):
        check_page(request)


def is_harmless(request: HttpRequest) -> bool:
    """Return whether any page may have a browser send this: it changes nothing, and calls no host for another site."""
    if request.method not in SAFE_METHODS:
        return False
    calls_hosts = getattr(request, "calls_hosts", False)
    return not (calls_hosts and arrival_of(request).fetch_site in ("cross-site", "same-site"))


def check_page(request: HttpRequest) -> None:
    """Raise 403 for a request that does something and that no page of ours sent: browsers add cookies by themselves.

    Proof is our own Origin, or Sec-Fetch-Site, neither of which a page can forge, or the token of a form.
    """
    arrival = arrival_of(request)
    if is_harmless(request) or arrival.is_own_page:
        return
    is_proven = arrival.origin is None and (
        arrival.fetch_site == "same-origin" or (not arrival.fetch_site and has_form_token(request))
    )
    if not is_proven:
        raise ApiError(403, missing_proof(arrival), code="cross_site")


def check_other_sites(request: HttpRequest, caller: Caller) -> None:
    """Raise 403 for a request that does something, of another site's page, which a browser sent without anybody's doing.

    Programs such as curl name no site. PULSE_AUTH=open also serves the pages that ALLOWED_ORIGINS names.
    """
    arrival = arrival_of(request)
    if is_harmless(request) or arrival.is_own_page:
        return
    if arrival.origin is None and arrival.fetch_site in ("", "none", "same-origin"):
        return
    if caller.kind == "open" and is_listed(arrival.origin or "", settings.ALLOWED_ORIGINS):
        return
    raise ApiError(403, missing_proof(arrival), code="cross_site")


def has_form_token(request: HttpRequest) -> bool:
    """Return whether the request carries Django's own proof, in X-CSRFToken or in a form."""
    if request.content_type == "multipart/form-data":
        return False  # looking for it would use up the body
    if is_head_only(request):
        return True  # it may be in the form, which is looked at when it has come
    check = CSRFCheck(nothing)
    check.process_request(request)
    request.csrf_processing_done = False  # type: ignore[attr-defined]
    return check.process_view(request, nothing, (), {}) is None


def nothing(request: HttpRequest) -> HttpResponse:
    """Return an empty answer: stands where Django's check wants the view that it protects."""
    return HttpResponse()


def check_scope(caller: Caller, access: Access) -> None:
    """Raise 401 for a caller that has to show a credential first, 403 for one whose credential is not enough."""
    if caller.may(access):
        return
    if caller.kind == "anonymous":
        raise missing_credential()
    if access is Access.SESSION:
        status = 403 if caller.kind == "token" else 401
        raise ApiError(status, "this is for people who have signed in with name and password")
    if caller.kind in ("loopback", "open"):
        raise ApiError(401, "Unauthorized: this always needs an account or an API token with the scope admin")
    raise ApiError(403, f"this needs the scope {access}")


def check_admin(request: HttpRequest) -> Caller:
    """Return the superuser who gave the password lately; for everybody else the admin is not there."""
    if not settings.PULSE_ADMIN:
        raise ApiError(404, "there is nothing here")
    caller = caller_of_user(request.user, request.session)
    if caller is None:
        raise missing_credential()
    sent_by(caller)
    if not caller.may(Access.ADMIN):
        raise ApiError(404, "there is nothing here")
    if not sessions.is_younger(request.session, ADMIN_FRESH, at=timezone.now()):
        raise ApiError(401, "Unauthorized: give your password again")
    check_page(request)
    sessions.touch(request.session, at=timezone.now())
    return caller


def check_size(request: HttpRequest) -> None:
    """Raise 413 or 400 for a request larger than any view reads; the body has not been looked at."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        raise ApiError(400, "Content-Length is not a number", code="bad_request")
    if int(length) > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
        raise ApiError(413, "the request body is larger than 1 MiB")
    if len(request.META.get("QUERY_STRING", "")) > MAX_QUERY_CHARS:
        raise ApiError(400, f"the query is longer than {MAX_QUERY_CHARS} characters", code="bad_request")


def refuse(request: HttpRequest, refusal: ApiError) -> HttpResponse:
    """Return the answer of a refusal: the way to the sign-in for who wants a page, else JSON under the API, or a page."""
    is_page = not is_api_path(request.path_info) or is_page_of_api(request)
    if refusal.status == 401 and is_page and request.method in SAFE_METHODS and not shows_token(request):
        return HttpResponseRedirect(way_in(request))
    if is_api_path(request.path_info):
        return response_of(refusal)
    context = {"status": refusal.status, "message": refusal.message}
    response = render(request, "auth/refused.html", context, status=refusal.status)
    for name, value in refusal.headers.items():
        response.headers[name] = value
    return response


def shows_token(request: HttpRequest) -> bool:
    """Return whether a program asks, which no sign-in page helps; a password may be one that a proxy wanted."""
    shown = shown_token(headers_of(request))
    return shown is not None and shown.is_surely_ours


def is_page_of_api(request: HttpRequest) -> bool:
    """Return whether an address under the API is a page for people."""
    policy = declared_policy(request, request.resolver_match.func) if request.resolver_match else None
    return policy is not None and policy.methods.get("GET") is Access.PAGE


def way_in(request: HttpRequest) -> str:
    """Return where a person without a credential goes: to the sign-in, or to the set-up of a fresh install."""
    return (
        f"{reverse('login')}?next={quote(request.get_full_path())}" if is_configured() else reverse("setup")
    )
