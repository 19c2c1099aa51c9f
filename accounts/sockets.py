"""The door for WebSockets: who opens one, whether a page may, and whether an open one is still good."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from channels.db import DatabaseSyncToAsync
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import DatabaseError
from django.http import parse_cookie
from django.utils import timezone

from accounts import fresh, refusals
from accounts.credentials import (
    caller_by_session,
    caller_by_token,
    caller_without_credential,
    missing_credential,
    shown_token,
)
from accounts.models import ApiToken
from accounts.proofs import origin_cause
from accounts.sessions import cookie_name
from pulse.lib.auth import ANONYMOUS, Access, Caller
from pulse.lib.causes import caused
from pulse.lib.clients import Arrival, arrival_of_scope, headers_of_scope, is_served, not_served
from pulse.lib.errors import ApiError
from pulse.lib.origins import is_allowed

logger = logging.getLogger(__name__)

#: How long an answer about an open socket's caller is believed.
MEMORY_SECONDS = 1.0
MAX_RECHECKS = 4096
rechecks: dict[Caller, tuple[float, asyncio.Future[bool]]] = {}
#: Thousands of browsers return at once after a restart: they are looked up a few at a time.
LOOKUPS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="door")


async def resolve_scope(scope: Mapping[str, Any]) -> Caller:
    """Return who opens the WebSocket of an ASGI scope, a caller that may read the state.

    Raises ApiError with the status and code of the refusal: 400, 401, 403, 429, 503.
    """
    look_up = DatabaseSyncToAsync(caller_of_scope, thread_sensitive=False, executor=LOOKUPS)
    try:
        caller: Caller = await look_up(scope)
    except DatabaseError:
        logger.exception("who opens a socket could not be looked up")
        raise ApiError(503, "it cannot be checked right now who you are; try again") from None
    return caller


def caller_of_scope(scope: Mapping[str, Any]) -> Caller:
    """Return and raise as `resolve_scope` does; runs queries."""
    headers = headers_of_scope(scope)
    arrival = arrival_of_scope(scope, headers)
    with caused(address=arrival.address):
        try:
            return caller_of_handshake(scope, headers, arrival)
        except ApiError as refusal:
            refusals.note(refusal, method="a socket", path="/ws", address=arrival.address)
            raise


def caller_of_handshake(scope: Mapping[str, Any], headers: Mapping[str, str], arrival: Arrival) -> Caller:
    """Return whose handshake it is; raises ApiError."""
    fresh.watch(arrival)
    check_names(arrival)
    shown = shown_token(headers, scope.get("subprotocols", ()))
    caller = caller_by_token(shown, arrival, at=timezone.now()) if shown is not None else None
    if caller is None:
        caller = caller_by_cookie(headers, arrival) or caller_without_credential(arrival)
    elif shown is not None and shown.is_password and arrival.origin is not None and not arrival.is_own_page:
        raise ApiError(
            403, "a password opens the feed from pages of this Pulse only", code="origin_not_allowed"
        )
    if caller is ANONYMOUS:
        raise missing_credential()
    if not caller.may(Access.MONITORING_READ):
        raise ApiError(403, f"this needs the scope {Access.MONITORING_READ}")
    return caller


def check_names(arrival: Arrival) -> None:
    """Raise for a Host that is not ours or an Origin that is neither ours nor allowed."""
    if arrival.host and not is_served(arrival.host):
        raise ApiError(400, not_served(), code="bad_request")
    if arrival.origin is None or arrival.is_own_page:
        return
    if not is_allowed(arrival.origin, settings.ALLOWED_ORIGINS):
        raise ApiError(403, "pages of this origin may not open the feed", code="origin_not_allowed")


def caller_by_cookie(headers: Mapping[str, str], arrival: Arrival) -> Caller | None:
    """Return whose session the cookie names, None without a good one.

    Browsers send cookies with sockets that any page opens, so the page has to be ours by name: raises 403 else.
    """
    key = parse_cookie(headers.get("cookie", "")).get(cookie_name(arrival.scheme))
    caller = caller_by_session(open_session(key)) if key else None
    if caller is None or arrival.is_own_page:
        return caller
    if settings.PULSE_AUTH == "open":
        return None
    cause = f": {origin_cause(arrival)}" if arrival.origin is not None else ""
    message = f"a session opens the feed from pages of this Pulse only{cause}"
    raise ApiError(403, message, code="origin_not_allowed")


async def still_valid(caller: Caller) -> bool:
    """Return whether the caller of an open socket would be let in again; believed for MEMORY_SECONDS.

    Sockets of the same caller share one look-up. Not knowing counts as no.
    """
    now = time.monotonic()
    recheck = rechecks.get(caller)
    if recheck is None or now - recheck[0] >= MEMORY_SECONDS:
        if len(rechecks) >= MAX_RECHECKS:
            rechecks.clear()
        look_up = DatabaseSyncToAsync(is_still_valid, thread_sensitive=False, executor=LOOKUPS)
        recheck = rechecks[caller] = now, asyncio.ensure_future(look_up(caller))
    try:
        return await asyncio.shield(recheck[1])
    except DatabaseError as error:
        logger.warning("open sockets end: their callers could not be looked up: %s", error)
        return False


def is_still_valid(caller: Caller) -> bool:
    """Return as `still_valid` does, from the database as it is."""
    if caller.kind == "open":
        return settings.PULSE_AUTH == "open"
    if caller.kind == "loopback":
        return fresh.is_open()
    if caller.kind == "session":
        session_caller = caller_by_session(open_session(caller.session_key)) if caller.session_key else None
        return session_caller is not None and session_caller.user_pk == caller.user_pk
    if caller.token_pk is not None:
        return ApiToken.objects.usable(timezone.now()).filter(pk=caller.token_pk).exists()
    return caller.kind == "token"  # API_TOKEN: another one needs a restart


def open_session(key: str) -> SessionBase:
    """Return the session with this key, an empty one when there is none."""
    session: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return session
