"""Background work of monitoring: find what is due, poll one instance."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from monitoring.collecting import judging, run
from monitoring.polling import polls
from nodes.models import Instance

logger = logging.getLogger(__name__)

#: A visit that no worker made in this time is made after the next poll.
COLLECT_EXPIRY_SECONDS = 20
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
    """Poll one instance; a second run at the same time does nothing. Never retried: the next poll comes anyway.

    What the slow lanes have to do follows, in a task of its own: it must not hold up the next poll.
    """
    if polls.poll(instance_id, timezone.now()):
        collect_instance.apply_async((instance_id,), expires=COLLECT_EXPIRY_SECONDS)


@shared_task(name="monitoring.tasks.collect_instance", time_limit=180)  # type: ignore[untyped-decorator]
def collect_instance(instance_id: int) -> None:
    """Let the slow lanes visit one instance; does nothing while the last visit is on, or none is due."""
    run.collect(instance_id, timezone.now())


@shared_task(name="monitoring.tasks.drop_removed", time_limit=30)  # type: ignore[untyped-decorator]
def drop_removed() -> int:
    """Take out of the state what is not polled any more; returns how many.

    Who pauses or deletes an instance in this process has done so already: this is for commands, which run in another.
    """
    return polls.drop_removed()


@shared_task(name="monitoring.tasks.judge_backups", time_limit=120)  # type: ignore[untyped-decorator]
def judge_backups() -> None:
    """Judge whose backups are whose and which guests are safe, if anything has changed since the last time."""
    judging.judge_if_due(timezone.now())


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
