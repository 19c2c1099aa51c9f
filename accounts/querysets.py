"""Named reads of tokens and of failed tries."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from accounts.models import ApiToken, SignInFailure  # noqa: F401


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Tokens, narrowed by what they are good for."""

    def usable(self, at: datetime) -> ApiTokenQuerySet:
        """Return those neither revoked nor expired at the instant."""
        return self.filter(
            models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=at), revoked_at__isnull=True
        )


class SignInFailureQuerySet(models.QuerySet["SignInFailure"]):
    """Failed tries, narrowed by whom they concern."""

    def of(self, account: str, network: str) -> SignInFailureQuerySet:
        """Return those of an account from one network."""
        return self.filter(account=account, network=network)
