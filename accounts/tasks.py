"""Housekeeping of sessions."""

from __future__ import annotations

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone


@shared_task(name="accounts.tasks.prune_sessions", ignore_result=True, time_limit=60)
def prune_sessions() -> int:
    """Delete sessions whose time is over; returns how many. May run twice without harm."""
    return Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]
