"""Find out who calls, from headers, cookies and the socket's peer: the same for requests and WebSockets.

Source: README.md decision 1 of the contract.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from accounts import tokens
from accounts.models import ApiToken
from pulse.lib.auth import ANONYMOUS, OPEN_SCOPES, SCOPES, Access, Caller
from pulse.lib.clients import is_direct_local
from pulse.lib.keys import token_digest

#: How long a process believes what it read about tokens and accounts: a revocation is felt within this time.
MEMORY_SECONDS = 1.0
ALL_SCOPES = frozenset(SCOPES)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a credential that was presented is not accepted."""

    status: int
    message: str
    code: str = "unauthorized"


WRONG_TOKEN = Refusal(401, "Unauthorized: the API token is not valid")


def presented_token(headers: Mapping[str, str]) -> str | None:
    """Return the API token of a request, None when it brings none; header names are lower case."""
    token = headers.get("x-api-token")
    if token is not None:
        return token.strip()
    authorization = headers.get("authorization", "").strip()
    if not authorization:
        return None
    scheme, _, rest = authorization.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else authorization


def caller_by_token(text: str, *, at: datetime) -> Caller | None:
    """Return who the token belongs to, None when it is not valid."""
    if settings.API_TOKEN_DIGEST and hmac.compare_digest(settings.API_TOKEN_DIGEST, token_digest(text)):
        return Caller("token", ALL_SCOPES, name="API_TOKEN")
    token = tokens.find(text, at=at) if len(text) < 200 else None
    if token is None:
        return None
    scopes = frozenset(scope for scope in SCOPES if scope in token.scopes)
    return Caller("token", scopes, name=token.name, token_pk=token.pk)


def caller_of_user(user: AbstractBaseUser) -> Caller:
    """Return what a person may do: superusers everything, staff all but `admin`, others read."""
    if getattr(user, "is_superuser", False):
        scopes = ALL_SCOPES
    elif getattr(user, "is_staff", False):
        scopes = ALL_SCOPES - {Access.ADMIN}
    else:
        scopes = frozenset({Access.MONITORING_READ})
    return Caller("session", scopes, name=user.get_username(), user_pk=user.pk)


def caller_without_credential(peer: str, headers: Mapping[str, str], *, scheme: str) -> Caller:
    """Return what somebody without any credential may do: nothing, but for the two documented exceptions."""
    if settings.PULSE_AUTH == "open":
        return Caller("open", OPEN_SCOPES)
    if settings.PULSE_AUTH == "required" or is_configured():
        return ANONYMOUS
    if is_direct_local(peer, headers, scheme=scheme):
        return Caller("loopback", OPEN_SCOPES)
    return ANONYMOUS


class Configured:
    """Whether anything that demands credentials exists, read at most once in MEMORY_SECONDS."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read_at = float("-inf")
        self._value = False

    def __call__(self) -> bool:
        if settings.API_TOKEN_DIGEST:
            return True
        with self._lock:
            if time.monotonic() - self._read_at >= MEMORY_SECONDS:
                self._value = ApiToken.objects.exists() or get_user_model().objects.exists()
                self._read_at = time.monotonic()
            return self._value

    def forget(self) -> None:
        """Read afresh next time: a token or an account has just been made."""
        with self._lock:
            self._read_at = float("-inf")


#: An `API_TOKEN`, a stored token (revoked ones too: revoking the last one must not open the door) or an account.
is_configured = Configured()
