"""Routes about the door itself: what protects this Pulse, who calls, and its API tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import claim, tokens
from accounts.fresh import is_configured
from accounts.models import ApiToken
from accounts.serializers import NewTokenSerializer
from pulse.lib.auth import SCOPES, Access, caller_of
from pulse.lib.endpoints import Done, Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError
from pulse.lib.instants import WireInstant, rfc3339


class SecurityStatus(msgspec.Struct, rename="camel"):
    """What protects this Pulse.

    `mode` is the setting PULSE_AUTH: `auto`, `open` or `required`; `open` is true while everybody is served without a
    credential. `claimNeeded`: nobody has made an account yet, `/setup` does. `weakToken`: the configured API_TOKEN is so
    short that it could be guessed.
    """

    api_token_configured: bool
    requires_auth: bool
    export_protected: bool
    unprotected_export_allowed: bool
    registration_tokens_enabled: bool
    open: bool
    mode: str
    weak_token: bool
    claim_needed: bool


class Self(msgspec.Struct):
    """Who sent the request, and what they may do here.

    `kind` is how they were recognised: `token`, `session`, or without a credential `loopback` (this machine, while nothing
    is configured) and `open`. `name` is that of the token or the account.
    """

    kind: str
    name: str
    scopes: list[str]


class Token(msgspec.Struct, rename="camel"):
    """An API token, without its text. `lastUsedAt` is exact to a minute; what never was or will be is null."""

    id: str
    name: str
    scopes: list[str]
    active: bool
    created_at: WireInstant
    last_used_at: WireInstant | None
    expires_at: WireInstant | None
    revoked_at: WireInstant | None


class IssuedToken(Token, rename="camel"):
    """A new API token. `token` is its text: it is shown this once, Pulse keeps only a digest of it."""

    token: str


class SecurityStatusView(Endpoint):
    """What protects this Pulse."""

    @Operation(Access.PUBLIC, Tag.ACCESS, {200: SecurityStatus})
    def get(self, request: Request) -> Response:
        """What protects this Pulse

        Needs no credential: a client learns here whether it has to send one.
        """
        has_token = bool(settings.API_TOKEN_DIGEST)
        is_open = settings.PULSE_AUTH == "open"
        return Response(
            SecurityStatus(
                api_token_configured=has_token,
                requires_auth=not is_open and (is_configured() or settings.PULSE_AUTH == "required"),
                export_protected=has_token or not settings.ALLOW_UNPROTECTED_EXPORT,
                unprotected_export_allowed=settings.ALLOW_UNPROTECTED_EXPORT,
                registration_tokens_enabled=settings.REQUIRE_REGISTRATION_TOKEN,
                open=is_open,
                mode=settings.PULSE_AUTH,
                weak_token=settings.API_TOKEN_IS_SHORT,
                claim_needed=not claim.is_claimed() and not is_configured(),
            )
        )


class SelfView(Endpoint):
    """Who calls."""

    @Operation(Access.MONITORING_READ, Tag.ACCESS, {200: Self})
    def get(self, request: Request) -> Response:
        """Who am I, and what may I do?

        A client can try its credential here.
        """
        caller = caller_of(request)
        return Response(Self(caller.kind, caller.name, [scope for scope in SCOPES if caller.may(scope)]))


class TokenListView(Endpoint):
    """All API tokens."""

    @Operation(Access.ADMIN, Tag.ACCESS, {200: list[Token]})
    def get(self, request: Request) -> Response:
        """List the API tokens

        The newest first, revoked and expired ones among them. Their texts are not kept and so are never told.
        """
        at = timezone.now()
        return Response([Token(**facts_of(token, at=at)) for token in ApiToken.objects.all()])

    @Operation(Access.ADMIN, Tag.ACCESS, {201: IssuedToken}, takes=NewTokenSerializer)
    def post(self, request: Request) -> Response:
        """Make an API token

        The answer holds the text of the token, this once. Send it in the header `X-API-Token`, or as
        `Authorization: Bearer`. The scope `admin` includes every other one.
        """
        wanted = self.taken(request)
        at = timezone.now()
        days = wanted.get("expires_in_days")
        token, text = tokens.issue(
            name=wanted["name"],
            scopes=[Access(scope) for scope in wanted["scopes"]],
            at=at,
            expires_at=None if days is None else at + timedelta(days=days),
        )
        return Response(IssuedToken(**facts_of(token, at=at), token=text), status=201)


class TokenView(Endpoint):
    """One API token."""

    @Operation(
        Access.ADMIN,
        Tag.ACCESS,
        {200: Done},
        refuses={404: Refusal("token_not_found", "There is no usable token with this id.")},
        parameters={"public_id": Parameter("The id of a token, as it is listed.", "Qm7cT2xK")},
    )
    def delete(self, request: Request, public_id: str) -> Response:
        """Revoke an API token

        From now on no process accepts it, and sockets that it has opened are closed. The token stays in the list.
        """
        # PostgreSQL takes no NUL in a text that it looks for.
        token = ApiToken.objects.filter(token_id=public_id).first() if public_id.isalnum() else None
        if token is None or not tokens.revoke(token, at=timezone.now()):
            raise ApiError(404, "there is no usable token with this id", code="token_not_found")
        return Response(Done())


def facts_of(token: ApiToken, *, at: datetime) -> dict[str, Any]:
    """Return the fields of a `Token`: never its digest."""
    return {
        "id": token.token_id,
        "name": token.name,
        "scopes": token.scopes,
        "active": token.revoked_at is None and (token.expires_at is None or token.expires_at > at),
        "created_at": rfc3339(token.created_at),
        "last_used_at": optional(token.last_used_at),
        "expires_at": optional(token.expires_at),
        "revoked_at": optional(token.revoked_at),
    }


def optional(at: datetime | None) -> str | None:
    """Return the instant as the wire writes it, None for one that never was."""
    return None if at is None else rfc3339(at)
