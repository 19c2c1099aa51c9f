"""Background work of monitoring: find what is due, poll one instance."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from monitoring import polling
from nodes.models import Instance

logger = logging.getLogger(__name__)

#: The first polls of many instances are spread; each gets its place in the interval by its key.
SPREAD_STEPS = 16


@shared_task(name="monitoring.tasks.dispatch_polls", time_limit=30)  # type: ignore[untyped-decorator]
def dispatch_polls() -> int:
    """Enqueue a poll for every instance that is due; returns for how many. May run twice, also at the same time."""
    at = timezone.now()
    claimed = 0
    for pk, due_at in Instance.objects.due(at).values_list("pk", "next_poll_at"):
        if Instance.objects.claim(pk, due_at=due_at, next_poll_at=next_poll_at(pk, due_at, at)):
            poll_instance.apply_async((pk,), expires=settings.POLLING_INTERVAL_SECONDS * 2)
            claimed += 1
    return claimed


@shared_task(name="monitoring.tasks.poll_instance", time_limit=120)  # type: ignore[untyped-decorator]
def poll_instance(instance_id: int) -> None:
    """Poll one instance; a second run at the same time does nothing. Never retried: the next poll comes anyway."""
    polling.poll(instance_id, timezone.now())


def next_poll_at(pk: int, due_at: datetime | None, at: datetime) -> datetime:
    """Return when an instance that is due is polled next: one interval after it was due, never in the past.

    One that was never scheduled is polled now and then in its own place of the interval, so that a large estate does
    not ask all its hosts at the same second.
    """
    interval = timedelta(seconds=settings.POLLING_INTERVAL_SECONDS)
    if due_at is None:
        return at + interval * (1 - (pk % SPREAD_STEPS) / SPREAD_STEPS / 2)
    following = due_at + interval
    return following if following > at else at + interval
