"""Routes about the door itself: its state, and the API tokens."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import claim, credentials, tokens
from accounts.models import ApiToken
from pulse.lib.auth import SCOPES, Access, caller_of, policy
from pulse.lib.body import read_json_object
from pulse.lib.errors import ApiError
from pulse.lib.instants import rfc3339


def answer(value: object, *, status: int = 200) -> HttpResponse:
    """Return a JSON answer."""
    return HttpResponse(msgspec.json.encode(value), status=status, content_type="application/json")


@policy(GET=Access.PUBLIC)
def security_status(request: HttpRequest) -> HttpResponse:
    """Tell what protects this Pulse (http-api.md 13), and more than the contract: mode, open, claimNeeded."""
    has_token = bool(settings.API_TOKEN_DIGEST)
    demands = credentials.is_configured() or settings.PULSE_AUTH == "required"
    return answer(
        {
            "apiTokenConfigured": has_token,
            "requiresAuth": demands and settings.PULSE_AUTH != "open",
            "exportProtected": has_token or not settings.ALLOW_UNPROTECTED_EXPORT,
            "unprotectedExportAllowed": settings.ALLOW_UNPROTECTED_EXPORT,
            "registrationTokensEnabled": settings.REQUIRE_REGISTRATION_TOKEN,
            "open": settings.PULSE_AUTH == "open",
            "mode": settings.PULSE_AUTH,
            "claimNeeded": claim.is_open(),
        }
    )


@policy(GET=Access.ADMIN, POST=Access.ADMIN)
def token_list(request: HttpRequest) -> HttpResponse:
    """List the stored tokens without their secrets, or make one, whose text is told once."""
    if request.method == "POST":
        return create_token(request)
    return answer([wire_token(token) for token in ApiToken.objects.filter(revoked_at__isnull=True)])


def create_token(request: HttpRequest) -> HttpResponse:
    """Answer 201 with the new token; body: `name`, `scopes`, optional `expiresInDays`."""
    body = read_json_object(request)
    at = timezone.now()
    token, text = tokens.issue(
        name=token_name(body.get("name")),
        scopes=token_scopes(body.get("scopes")),
        at=at,
        expires_at=token_expiry(body.get("expiresInDays"), at=at),
    )
    credentials.is_configured.forget()
    return answer(wire_token(token) | {"token": text}, status=201)


@policy(DELETE=Access.ADMIN)
def token_detail(request: HttpRequest, public_id: str) -> HttpResponse:
    """Revoke a token; it stops working at once."""
    token = ApiToken.objects.filter(public_id=public_id).first()
    if token is None or not tokens.revoke(token, at=timezone.now()):
        raise ApiError(404, "there is no token with this id", code="token_not_found")
    return answer({"status": "success"})


@policy(GET=Access.MONITORING_READ)
def who_am_i(request: HttpRequest) -> HttpResponse:
    """Tell the caller its name, kind and scopes."""
    caller = caller_of(request)
    return answer({"kind": caller.kind, "name": caller.name, "scopes": sorted(caller.scopes)})


def wire_token(token: ApiToken) -> dict[str, object]:
    """Return the wire form of a token: everything but its secret."""
    return {
        "id": token.public_id,
        "name": token.name,
        "scopes": list(token.scopes),
        "createdAt": rfc3339(token.created_at),
        "lastUsedAt": rfc3339(token.last_used_at),
        "expiresAt": rfc3339(token.expires_at),
    }


def token_name(value: object) -> str:
    """Return a valid name, or raise ApiError."""
    if not isinstance(value, str) or not value.strip() or len(value) > 100:
        raise ApiError(400, "name must be a text of 1 to 100 characters", details={"name": "not valid"})
    return value.strip()


def token_scopes(value: object) -> list[Access]:
    """Return valid scopes, or raise ApiError."""
    known = {str(scope): scope for scope in SCOPES}
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(item, str) and item in known for item in value)
    ):
        raise ApiError(
            400, f"scopes must be a list of some of: {', '.join(known)}", details={"scopes": "not valid"}
        )
    return [known[item] for item in dict.fromkeys(value)]


def token_expiry(value: object, *, at: datetime) -> datetime | None:
    """Return when a token ends, None for never, or raise ApiError."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 3650:
        raise ApiError(
            400, "expiresInDays must be a whole number from 1 to 3650", details={"expiresInDays": "not valid"}
        )
    return at + timedelta(days=value)
