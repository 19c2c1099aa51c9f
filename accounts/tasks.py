"""Housekeeping of what people leave behind when they come and go."""

from __future__ import annotations

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts import lockout, sessions
from accounts.models import SignInFailure


@shared_task(name="accounts.tasks.prune_sessions", time_limit=60)  # type: ignore[untyped-decorator]
def prune_sessions() -> None:
    """Delete sessions that are long over and failures that count no more; harmless when run twice."""
    at = timezone.now()
    Session.objects.filter(expire_date__lte=at - sessions.KEPT).delete()
    SignInFailure.objects.filter(failed_at__lte=at - lockout.SPAN).delete()
