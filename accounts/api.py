"""Routes about the door itself: what protects this Pulse, and its API tokens."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import claim, tokens
from accounts.credentials import is_configured
from accounts.models import ApiToken
from accounts.tokens import is_token_name
from pulse.lib.auth import SCOPES, Access, caller_of, policy
from pulse.lib.body import read_json_object
from pulse.lib.errors import WRONG_TYPE, ApiError
from pulse.lib.instants import rfc3339

MAX_EXPIRY_DAYS = 3650


@policy(GET=Access.PUBLIC)
def security_status(request: HttpRequest) -> HttpResponse:
    """Tell what protects this Pulse; `open`, `mode`, `weakToken` and `claimNeeded` are ours (http-api.md 13)."""
    has_token = bool(settings.API_TOKEN_DIGEST)
    is_open = settings.PULSE_AUTH == "open"
    return answer(
        {
            "apiTokenConfigured": has_token,
            "requiresAuth": not is_open and (is_configured() or settings.PULSE_AUTH == "required"),
            "exportProtected": has_token or not settings.ALLOW_UNPROTECTED_EXPORT,
            "unprotectedExportAllowed": settings.ALLOW_UNPROTECTED_EXPORT,
            "registrationTokensEnabled": settings.REQUIRE_REGISTRATION_TOKEN,
            "open": is_open,
            "mode": settings.PULSE_AUTH,
            "weakToken": settings.API_TOKEN_IS_SHORT,
            "claimNeeded": not claim.is_claimed() and not is_configured(),
        }
    )


@policy(GET=Access.MONITORING_READ)
def who_am_i(request: HttpRequest) -> HttpResponse:
    """Tell callers who they are here and what they may do."""
    caller = caller_of(request)
    scopes = [scope for scope in SCOPES if caller.may(scope)]
    return answer({"kind": caller.kind, "name": caller.name, "scopes": scopes})


@policy(GET=Access.ADMIN, POST=Access.ADMIN)
def token_list(request: HttpRequest) -> HttpResponse:
    """List all tokens without their texts, newest first; or make one."""
    if request.method == "POST":
        return make_token(request)
    at = timezone.now()
    return answer([wire_token(token, at=at) for token in ApiToken.objects.all()])


@policy(DELETE=Access.ADMIN)
def token_detail(request: HttpRequest, public_id: str) -> HttpResponse:
    """Revoke a token: no process accepts it from now on."""
    # PostgreSQL takes no NUL in a text that it looks for.
    token = ApiToken.objects.filter(token_id=public_id).first() if public_id.isalnum() else None
    if token is None or not tokens.revoke(token, at=timezone.now()):
        raise ApiError(404, "there is no usable token with this id", code="token_not_found")
    return answer({"success": True})


def make_token(request: HttpRequest) -> HttpResponse:
    """Answer 201 with a new token and, this once, its text."""
    body = read_json_object(request)
    at = timezone.now()
    token, text = tokens.issue(
        name=read_name(body.get("name")),
        scopes=read_scopes(body.get("scopes")),
        at=at,
        expires_at=read_expiry(body.get("expiresInDays"), at=at),
    )
    return answer({**wire_token(token, at=at), "token": text}, status=201)


def wire_token(token: ApiToken, *, at: datetime) -> dict[str, object]:
    """Return the wire form of a token: never its text, never its digest."""
    is_active = token.revoked_at is None and (token.expires_at is None or token.expires_at > at)
    return {
        "id": token.token_id,
        "name": token.name,
        "scopes": token.scopes,
        "active": is_active,
        "createdAt": rfc3339(token.created_at),
        "lastUsedAt": optional(token.last_used_at),
        "expiresAt": optional(token.expires_at),
        "revokedAt": optional(token.revoked_at),
    }


def optional(at: datetime | None) -> str | None:
    """Return the instant as the wire writes it, None for one that never was."""
    return None if at is None else rfc3339(at)


def read_name(value: object) -> str:
    """Return the name of a token; raises ApiError 400."""
    if value is not None and not isinstance(value, str):
        raise wrong("name", "must be text", code=WRONG_TYPE)
    if value is None or not is_token_name(value):
        raise wrong("name", "must be a text of 1 to 100 characters")
    return value.strip()


def read_scopes(value: object) -> list[Access]:
    """Return the scopes of a token; raises ApiError 400."""
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise wrong("scopes", "must be a list of texts", code=WRONG_TYPE)
    if not value or not all(item in SCOPES for item in value):
        raise wrong("scopes", f"must be a list of one or more of {', '.join(SCOPES)}")
    return [Access(item) for item in value]


def read_expiry(value: object, *, at: datetime) -> datetime | None:
    """Return when a token ends, None for never; raises ApiError 400."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong("expiresInDays", "must be a whole number", code=WRONG_TYPE)
    if not 1 <= value <= MAX_EXPIRY_DAYS:
        raise wrong("expiresInDays", f"must be a whole number from 1 to {MAX_EXPIRY_DAYS}")
    return at + timedelta(days=value)


def wrong(field: str, problem: str, *, code: str = "") -> ApiError:
    """Return the refusal of a field."""
    return ApiError(400, f"{field} {problem}", code=code, details={field: problem})


def answer(value: object, *, status: int = 200) -> HttpResponse:
    """Return a JSON answer."""
    return HttpResponse(msgspec.json.encode(value), status=status, content_type="application/json")
