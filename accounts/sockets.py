"""The same door for WebSockets: who opens one, whether its origin may, and whether the caller is still good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts import credentials
from accounts.credentials import WRONG_TOKEN, Refusal
from accounts.models import ApiToken
from pulse.lib.auth import Access, Caller
from pulse.lib.clients import is_trusted, same_origin

NO_ORIGIN = Refusal(403, "this Origin may not open the feed", "origin_not_allowed")


async def resolve(scope: Mapping[str, Any]) -> Caller | Refusal:
    """Return who opens the WebSocket of an ASGI scope, or why it may not read the state."""
    return await sync_to_async(resolve_now, thread_sensitive=False)(scope)


async def still_valid(caller: Caller) -> bool:
    """Return whether the caller of an open socket would be let in again."""
    return await sync_to_async(is_still_valid, thread_sensitive=False)(caller)


def resolve_now(scope: Mapping[str, Any]) -> Caller | Refusal:
    """See `resolve`; runs queries."""
    headers = scope_headers(scope)
    peer = (scope.get("client") or ("", 0))[0]
    scheme, host = seen_scheme(scope, peer, headers), seen_host(peer, headers)
    origin = headers.get("origin")
    own = origin is not None and same_origin(origin, scheme=scheme, host=host)
    token = credentials.presented_token(headers)
    if not (origin is None or own or origin_is_listed(origin)):
        return NO_ORIGIN
    if token is not None:
        caller = credentials.caller_by_token(token, at=timezone.now())
        if caller is None:
            return WRONG_TOKEN
    else:
        key = session_key(headers)
        user = user_of_session(key)
        if user is not None:
            # A browser adds the cookie by itself, so the page that opens the socket must be ours by name.
            if origin is None or not (own or origin in settings.ALLOWED_ORIGINS):
                return NO_ORIGIN
            caller = replace(credentials.caller_of_user(user), session_key=key)
        else:
            caller = credentials.caller_without_credential(peer, headers, scheme=scheme)
    if caller.may(Access.MONITORING_READ):
        return caller
    if caller.kind == "anonymous":
        return Refusal(401, "Unauthorized: send an API token in the header X-API-Token, or sign in")
    return Refusal(403, "this needs the scope monitoring:read", "forbidden")


def is_still_valid(caller: Caller) -> bool:
    """See `still_valid`; runs queries."""
    if caller.token_pk is not None:
        return ApiToken.objects.usable(timezone.now()).filter(pk=caller.token_pk).exists()
    if caller.kind == "session":
        return user_of_session(caller.session_key) is not None
    if caller.kind == "loopback":
        return settings.PULSE_AUTH == "auto" and not credentials.is_configured()
    return True


def scope_headers(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of an ASGI scope under lower-case names; of a repeated one the last."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())
    }


def seen_scheme(scope: Mapping[str, Any], peer: str, headers: Mapping[str, str]) -> str:
    """Return http or https as the browser sees it."""
    forwarded = headers.get("x-forwarded-proto", "").strip().lower()
    if forwarded in ("http", "https") and is_trusted(peer, settings.PULSE_TRUSTED_PROXIES):
        return forwarded
    return "https" if scope.get("scheme") in ("wss", "https") else "http"


def seen_host(peer: str, headers: Mapping[str, str]) -> str:
    """Return the host as the browser sees it."""
    forwarded = headers.get("x-forwarded-host", "").strip()
    if forwarded and is_trusted(peer, settings.PULSE_TRUSTED_PROXIES):
        return forwarded
    return headers.get("host", "")


def origin_is_listed(origin: str) -> bool:
    """Return whether ALLOWED_ORIGINS names the origin, or every origin."""
    return "*" in settings.ALLOWED_ORIGINS or origin in settings.ALLOWED_ORIGINS


def session_key(headers: Mapping[str, str]) -> str:
    """Return the session cookie's value, empty when there is none."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def user_of_session(key: str) -> AbstractBaseUser | None:
    """Return the active user of a session, None for a session that is gone or ended by a new password."""
    if not key:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = get_user_model().objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    if user is None or not constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    ):
        return None
    return user
