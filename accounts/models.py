"""API tokens: who may come in without a person."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone

from pulse.lib.auth import SCOPES


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Stored tokens, narrowed by what they are good for."""

    def usable(self, at: datetime) -> ApiTokenQuerySet:
        """Return those neither revoked nor expired at the instant."""
        unexpired = models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=at)
        return self.filter(unexpired, revoked_at__isnull=True)


class ApiToken(models.Model):
    """One token: `pulse_<public id>_<secret>`, of which only the SHA-256 digest is kept.

    usable -> revoked (for ever) or expired (by time); nothing leads back.
    """

    name = models.CharField(max_length=100)
    public_id = models.CharField(max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list, help_text=f"Some of: {', '.join(SCOPES)}")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[ApiTokenQuerySet] = ApiTokenQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"
