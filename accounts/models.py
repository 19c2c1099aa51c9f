"""Who may come in: API tokens, the claim of the installation, the end of its first hours, and failed tries to sign in."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone


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


class ApiToken(models.Model):
    """A token for programs: `pulse_<token_id>_<secret>`, of which only the SHA-256 digest is kept.

    usable -> revoked (by a person) or expired (by time); nothing leads back. A row is never deleted: revoking the
    last token must not make the installation look fresh.
    """

    # identity
    name = models.CharField(max_length=100)
    token_id = models.CharField(max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    # configuration
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    # bookkeeping
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[ApiTokenQuerySet] = ApiTokenQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("-created_at", "-pk")
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.token_id})"


class Claim(models.Model):
    """The installation has been claimed; at most one row, which stays for ever."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    claimed_at = models.DateTimeField()

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="claimed_only_once"),)

    def __str__(self) -> str:
        return f"claimed at {self.claimed_at}"


class LoopbackEnd(models.Model):
    """This machine is no longer served without a credential; at most one row, which stays for ever."""

    class Cause(models.TextChoices):
        """What has ended it."""

        SIGN = "sign", "a request showed a proxy or a foreign name"
        FORMER = "former", "the keys of a former database were found"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    ended_at = models.DateTimeField()
    cause = models.CharField(max_length=10, choices=Cause)
    sign = models.CharField(max_length=200, blank=True, help_text="What was seen, as a sentence.")

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="loopback_ends_only_once"),)

    def __str__(self) -> str:
        return f"{self.get_cause_display()} at {self.ended_at}"


class SignInFailure(models.Model):
    """One failed try to sign in. The account is a keyed digest: people type passwords into the wrong field."""

    account = models.CharField(max_length=64)
    network = models.CharField(max_length=45, blank=True, help_text="The /24 or /64 of the client.")
    failed_at = models.DateTimeField()

    objects: ClassVar[SignInFailureQuerySet] = SignInFailureQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("failed_at", "pk")
        indexes = (
            # lockout.take: the failures of one account
            models.Index(fields=("account", "failed_at"), name="sign_in_failure_account"),
            # lockout.take: the old ones leave
            models.Index(fields=("failed_at",), name="sign_in_failure_age"),
        )

    def __str__(self) -> str:
        return f"{self.network} at {self.failed_at}"
