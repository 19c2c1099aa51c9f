"""Find out who calls: by token, by session, or by one of the two exceptions for callers without a credential.

The same for requests and WebSockets. Source: README.md decision 1 of the contract.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import unquote

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from accounts import fresh, guesses, refusals, tokens
from accounts.fresh import is_configured
from accounts.guesses import GUESSES, PASSED_BY
from pulse.lib import limits
from pulse.lib.auth import ANONYMOUS, OPEN_SCOPES, SCOPES, Access, Caller
from pulse.lib.clients import Arrival, limit_key
from pulse.lib.errors import ApiError
from pulse.lib.keys import token_digest

ALL_SCOPES = frozenset(SCOPES)
MAX_TOKEN_CHARS = 512
#: How a socket names its token among the sub-protocols that it offers, percent-encoded where these allow less.
BEARER = "bearer."


@dataclass(frozen=True, slots=True)
class Shown:
    """A token as a caller shows it."""

    text: str
    is_password: bool = False  # of Basic credentials, which browsers add by themselves as they do cookies
    is_surely_ours: bool = True  # else a proxy in front may have wanted it


def shown_token(headers: Mapping[str, str], protocols: Sequence[str] = ()) -> Shown | None:
    """Return the token that a request shows, None when it shows none; header names are lower case.

    `protocols` are the sub-protocols that a socket offers. What may be a proxy's comes last: it must not hide a
    token of ours. Source: README.md decision 10 of the contract, http-api.md 1.2.
    """
    for name in ("x-api-token", "x-api-key"):
        if name in headers:
            return Shown(headers[name].strip())
    authorization = headers.get("authorization", "").strip()
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return Shown(rest.strip())
    offered = {unquote(name[len(BEARER) :]) for name in protocols if name.startswith(BEARER)}
    if offered:
        return Shown(",".join(sorted(offered)))  # two different ones are none
    if scheme.lower() == "basic" and rest:
        password = password_of(rest)
        return Shown(password, is_password=True, is_surely_ours=tokens.is_token_form(password))
    if authorization and not rest:
        return Shown(authorization, is_surely_ours=tokens.is_token_form(authorization))
    return None


def password_of(credentials: str) -> str:
    """Return the password of Basic credentials, "" for what are none."""
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def caller_by_token(shown: Shown, arrival: Arrival, *, at: datetime) -> Caller | None:
    """Return whose token it is; None when it counts as absent: it may be a proxy's, or nobody needs one here.

    Raises ApiError 401 for a wrong one, 429 for a client that has shown too many different ones. The right token always
    passes, unless it is an `API_TOKEN` so short that it could be guessed: then nothing is compared while guesses come in.
    """
    bucket = GUESSES if shown.is_surely_ours else PASSED_BY
    client = limit_key(arrival.address)
    refusal = guesses.refusal_of(bucket, client)
    if settings.API_TOKEN_IS_SHORT and refusal is not None:
        refuse_guess(shown, refusal)
        return None
    caller = find_caller(shown.text, at=at)
    if caller is not None or is_served_without(arrival):
        return caller
    refusal = guesses.count(bucket, client, shown.text)
    if shown.is_surely_ours:
        refusals.tell(
            "wrong-token",
            arrival.address,
            f"an API token from {arrival.address} is wrong, revoked or expired",
        )
    if refusal is not None:
        refuse_guess(shown, refusal)
        return None
    if shown.is_surely_ours:
        raise ApiError(401, "Unauthorized: this API token is wrong, revoked or expired")
    return None


def refuse_guess(shown: Shown, refusal: limits.Verdict) -> None:
    """Raise ApiError 429; what may be a proxy's is passed by without being looked at."""
    if shown.is_surely_ours:
        raise ApiError(429, "too many different wrong tokens; try again later", headers=refusal.headers)


def is_served_without(arrival: Arrival) -> bool:
    """Return whether nothing is configured and the caller would be served without a token: there is none to be wrong."""
    return caller_without_credential(arrival) is not ANONYMOUS and not is_configured()


def find_caller(text: str, *, at: datetime) -> Caller | None:
    """Return whose token it is, None when it is nobody's."""
    if not text or len(text) > MAX_TOKEN_CHARS:
        return None
    digest = token_digest(text)
    if hmac.compare_digest(settings.API_TOKEN_DIGEST, digest):
        return Caller("token", ALL_SCOPES, name="API_TOKEN")
    token = tokens.find(text, at=at)
    if token is None:
        return None
    return Caller("token", tokens.scopes_of(token), name=token.name, token_pk=token.pk)


def caller_by_session(session: SessionBase) -> Caller | None:
    """Return whose session it is.

    None for one that is over: signed out, expired, its account disabled, or its password changed elsewhere.
    """
    request = HttpRequest()
    request.session = session
    return caller_of_user(get_user(request), session)


def caller_of_user(user: AbstractBaseUser | AnonymousUser, session: SessionBase) -> Caller | None:
    """Return what a person may do: superusers everything, staff all but `admin`, others read; None for nobody."""
    if not isinstance(user, User):
        return None
    if user.is_superuser:
        scopes = ALL_SCOPES
    elif user.is_staff:
        scopes = ALL_SCOPES - {Access.ADMIN}
    else:
        scopes = frozenset({Access.MONITORING_READ})
    if settings.PULSE_AUTH == "open":
        scopes |= OPEN_SCOPES  # signing in never takes anything away
    caller = Caller("session", scopes, name=user.get_username(), user_pk=user.pk)
    return replace(caller, session_key=session.session_key or "")


def caller_without_credential(arrival: Arrival) -> Caller:
    """Return what somebody without a credential may do: nothing, but for the two exceptions of decision 1."""
    if settings.PULSE_AUTH == "open":
        return Caller("open", OPEN_SCOPES)
    if arrival.is_local and fresh.is_served(arrival):
        return Caller("loopback", OPEN_SCOPES)
    return ANONYMOUS


def missing_credential() -> ApiError:
    """Return the refusal of somebody without a credential; on a fresh install it tells the ways in."""
    if is_configured():
        return ApiError(
            401, "Unauthorized: send an API token in the header X-API-Token, or sign in at /login"
        )
    ways = ["claim it at /setup with the code that `pulse claim-code` prints", "set PULSE_AUTH=open"]
    why = "this Pulse is not set up yet"
    if settings.PULSE_AUTH == "auto":
        if fresh.has_ended():
            why += ", and serves nobody without a credential any more, this machine neither"
        else:
            ways.insert(0, "open it on the machine itself")
    return ApiError(401, f"Unauthorized: {why}; {', or '.join(ways)}")
