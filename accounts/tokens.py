"""Verbs of API tokens: issue, find by text, revoke."""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.db.models import Q

from accounts.models import ApiToken
from pulse.lib import saving
from pulse.lib.auth import SCOPES, Access
from pulse.lib.keys import token_digest

logger = logging.getLogger(__name__)

NAME_LIMIT = 100
MAX_EXPIRY_DAYS = 3650
ALPHABET = string.ascii_letters + string.digits
FORM = re.compile(r"pulse_([A-Za-z0-9]{8})_[A-Za-z0-9_-]{43}")
#: `last_used_at` is this exact: a client that asks every second must not cost a write every second.
USE_RESOLUTION = timedelta(minutes=1)
#: Compared when no token has the id, so that an unknown id looks like a wrong secret.
NO_DIGEST = "0" * 64


def is_token_name(text: str) -> bool:
    """Return whether a token may be called this: 1 to 100 characters that can be shown on one line."""
    return len(text.strip()) >= 1 and len(text) <= NAME_LIMIT and text.isprintable()


def issue(
    *, name: str, scopes: Iterable[Access], at: datetime, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Store a new token and return it with its text (256 bit), which nobody can read again.

    Raises ValueError for no scope or an unknown one.
    """
    wanted = set(scopes)
    if not wanted or not wanted <= set(SCOPES):
        raise ValueError(f"a token needs one or more of the scopes {', '.join(SCOPES)}")
    token_id = "".join(secrets.choice(ALPHABET) for _ in range(8))
    text = f"pulse_{token_id}_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        name=name,
        token_id=token_id,
        digest=token_digest(text),
        scopes=[str(scope) for scope in SCOPES if scope in wanted],
        created_at=at,
        expires_at=expires_at,
    )
    logger.info("API token %s made with %s", token, ", ".join(token.scopes))
    return token, text


def is_token_form(text: str) -> bool:
    """Return whether the text looks like a token of ours, whoever made it."""
    return FORM.fullmatch(text) is not None


def find(text: str, *, at: datetime) -> ApiToken | None:
    """Return the usable token with this text and note its use; None for any other text."""
    match = FORM.fullmatch(text)
    if match is None:
        return None
    token = ApiToken.objects.usable(at).filter(token_id=match[1]).first()
    if not hmac.compare_digest(token.digest if token else NO_DIGEST, token_digest(text)):
        return None
    if token is not None:
        note_use(token, at=at)
    return token


def note_use(token: ApiToken, *, at: datetime) -> None:
    """Write when the token was used; a database that is busy writing must not stop a reader."""
    long_ago = at - USE_RESOLUTION
    ahead = at + USE_RESOLUTION  # by a clock that was set back since
    if token.last_used_at is not None and long_ago < token.last_used_at <= ahead:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=long_ago) | Q(last_used_at__gt=ahead)
    try:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=at)
    except DatabaseError as error:
        if not saving.is_told(error):
            logger.warning("the use of API token %s could not be noted: %s", token, error)


def revoke(token: ApiToken, *, at: datetime) -> bool:
    """Make the token worthless in every process at once; False when it already was."""
    is_first = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=at) == 1
    if is_first:
        logger.info("API token %s revoked", token)
    return is_first


def scopes_of(token: ApiToken) -> frozenset[Access]:
    """Return the scopes that the token carries; a name that is no scope gives nothing."""
    return frozenset(scope for scope in SCOPES if scope in token.scopes)
