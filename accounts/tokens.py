"""Verbs of API tokens: issue, find by secret, revoke."""

from __future__ import annotations

import hmac
import secrets
import string
from datetime import datetime, timedelta

from accounts.models import ApiToken
from pulse.lib.auth import Access
from pulse.lib.keys import token_digest

ALPHABET = string.ascii_letters + string.digits
#: `last_used_at` is written at most this often: a busy client must not cost a write per request.
USE_RESOLUTION = timedelta(minutes=1)
#: Compared when no token has the id, so that unknown ids cost the same.
NO_DIGEST = "0" * 64


def issue(
    *, name: str, scopes: list[Access], at: datetime, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Store a new token; returns it with its text, which is known only now (256 bit)."""
    public_id = "".join(secrets.choice(ALPHABET) for _ in range(8))
    text = f"pulse_{public_id}_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        name=name,
        public_id=public_id,
        digest=token_digest(text),
        scopes=[str(scope) for scope in scopes],
        created_at=at,
        expires_at=expires_at,
    )
    return token, text


def find(text: str, *, at: datetime) -> ApiToken | None:
    """Return the usable token with this text and note its use; None for any other text."""
    parts = text.split("_", 2)
    public_id = parts[1] if len(parts) == 3 and parts[0] == "pulse" else ""
    token = ApiToken.objects.usable(at).filter(public_id=public_id).first() if public_id else None
    matches = hmac.compare_digest(
        token.digest if token else NO_DIGEST, token_digest(text) or NO_DIGEST[:-1] + "1"
    )
    if token is None or not matches:
        return None
    if token.last_used_at is None or at - token.last_used_at >= USE_RESOLUTION:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=at)
    return token


def revoke(token: ApiToken, *, at: datetime) -> bool:
    """Make a token worthless from now on; False when it already was."""
    return ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=at) == 1
